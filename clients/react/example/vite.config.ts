import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here("."),
  resolve: { alias: { "@gatepost/react": here("../src/index.ts") } },
  build: {
    target: "es2022",
    rollupOptions: { input: [here("index.html"), here("clerk.html")] },
  },
  server: { port: 5173, strictPort: true },
});
