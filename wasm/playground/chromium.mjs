// Starts Debian's Chromium, with nothing of its own to say to the network.
import { chromium } from "playwright-core";

const QUIET = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-gpu",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
];

/** A browser with a new profile. Chromium has no sandbox for root. */
export const launch = () =>
  chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: process.getuid() === 0 ? [...QUIET, "--no-sandbox"] : QUIET,
  });
