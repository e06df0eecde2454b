import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// FastAPI serves what is built below /static/app/; the page itself stands at /. `npm run dev` talks to a desk that runs on port 8000.
const API = ["/status", "/operations", "/history", "/decisions", "/orders", "/stats", "/attribution", "/control", "/config",
  "/session", "/stream", "/logs", "/simulator", "/backtests", "/notifications"];

export default defineConfig({
  base: "/static/app/",
  plugins: [react()],
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 400 },
  server: { proxy: Object.fromEntries(API.map((path) => [path, "http://127.0.0.1:8000"])) },
});
