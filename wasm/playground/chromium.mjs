// Starts Debian's Chromium without background requests, and with a temporary home directory.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const QUIET = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-gpu",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
];

/** A browser with a new profile and a home directory of its own. For root, Chromium has no sandbox. */
export const launch = async () => {
  const home = mkdtempSync(join(tmpdir(), "volsync-policy-chromium-"));
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: process.getuid() === 0 ? [...QUIET, "--no-sandbox"] : QUIET,
    env: { ...process.env, HOME: home },
  });
  browser.once("disconnected", () => rmSync(home, { recursive: true, force: true }));
  return browser;
};
