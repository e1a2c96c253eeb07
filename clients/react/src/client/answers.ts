/** The shapes of the API, as its /docs page names them. */

/** An account as its owner sees it; `created_at` is ISO 8601. */
export interface User {
  id: string;
  name: string;
  email: string;
  username: string | null;
  created_at: string;
}

/** Seconds until the code expires, and until another may be asked for. */
export interface Mailed {
  expires_in: number;
  resend_in: number;
}

export interface RegistrationStarted extends Mailed {
  registration_id: string;
}

export interface RecoveryStarted extends Mailed {
  recovery_id: string;
}

/** `expires_in` is in seconds and is the access token's. */
export interface Tokens {
  token: string;
  token_type: "Bearer";
  expires_in: number;
  refresh_token: string;
  user: User;
}

export interface NewUser {
  name: string;
  email: string;
  password: string;
  username?: string;
}

export type Credentials =
  | { email: string; password: string }
  | { username: string; password: string };

/** The code of a recovery's mail, or the token that its link carries. */
export type Reset = { otp: string; new_password: string } | { token: string; new_password: string };
