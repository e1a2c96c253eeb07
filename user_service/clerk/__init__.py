"""Clerk alongside: its webhooks keep accounts in step, and its session tokens read a profile."""
