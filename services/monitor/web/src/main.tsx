import "./styles/base.css";
import "./styles/parts.css";
import "./styles/desk.css";
import "./styles/pages.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { startLive } from "./api/live";
import { App } from "./App";
import { applyTheme } from "./theme";

applyTheme();
startLive();
const root = document.getElementById("root");
if (root) createRoot(root).render(<StrictMode><App /></StrictMode>);
