// Light or dark: as the system is, until the reader chooses.

const KEY = "rocketbotte-sandbox theme";
const system = matchMedia("(prefers-color-scheme: dark)");

function chosen() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export const isDark = () => (chosen() ?? (system.matches ? "dark" : "light")) === "dark";

export function applyTheme() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
}

export function toggleTheme() {
  const theme = isDark() ? "light" : "dark";
  try {
    // What the system has already needs no choice.
    if ((theme === "dark") === system.matches) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Without storage it lasts until the page is left.
  }
  document.documentElement.dataset.theme = theme;
}

system.addEventListener("change", applyTheme);
applyTheme();
