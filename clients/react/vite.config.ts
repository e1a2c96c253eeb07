import { defineConfig } from "vitest/config";

export default defineConfig({
  build: {
    target: "es2022",
    minify: false,
    lib: {
      entry: { index: "src/index.ts", "client/index": "src/client/index.ts" },
      formats: ["es"],
    },
    rollupOptions: {
      external: [/^react($|\/)/],
      output: { preserveModules: true, preserveModulesRoot: "src" },
    },
  },
  test: {
    include: ["tests/**/*.test.{ts,tsx}"],
    setupFiles: ["tests/haste.ts"],
    restoreMocks: true,
    unstubGlobals: true,
  },
});
