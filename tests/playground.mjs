// The playground in a real Chromium. `playground.rs` runs it, with the answers of the native engine in a file.
// node --test tests/playground.mjs
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { launch } from "../wasm/playground/chromium.mjs";
import { serve } from "../wasm/playground/serve.mjs";

const require = createRequire(new URL("../wasm/package.json", import.meta.url));
const { parse } = require("yaml");
const AXE = require.resolve("axe-core/axe.min.js");

/** Longer than anything here takes. Only a test that fails waits this long. */
const PATIENCE = 60_000;

const BUILT = new URL("../target/wasm", import.meta.url).pathname;
const { cases, dump } = JSON.parse(readFileSync(process.env.ANSWERS, "utf-8"));
const folder = mkdtempSync(join(tmpdir(), "playground-"));

let server;
let browser;
let origin;

before(async () => {
  // The page and the package, each in a directory below the root.
  cpSync(join(BUILT, "playground"), join(folder, "some/where"), { recursive: true });
  cpSync(join(BUILT, "browser"), join(folder, "package"), { recursive: true });
  writeFileSync(join(folder, "index.html"), "<!doctype html><title>Empty</title>");
  server = await serve(folder);
  origin = `http://127.0.0.1:${server.address().port}`;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  server?.closeAllConnections();
  server?.close();
  rmSync(folder, { recursive: true });
});

/** A page with a new profile. It fails on any error, and on a violation of the content security policy. */
async function open(t, { path = "/some/where/", ...options } = {}) {
  const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"], ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.said = [];
  page.requested = [];
  page.on("console", (message) => page.said.push(message.text()));
  page.on("pageerror", (error) => page.said.push(String(error)));
  context.on("request", (request) => page.requested.push(request.url()));
  await page.addInitScript(() => {
    globalThis.violations = [];
    addEventListener("securitypolicyviolation", ({ violatedDirective }) => violations.push(violatedDirective));
  });
  t.after(() => context.close());
  await page.goto(origin + path);
  if (path !== "/") await answered(page);
  return page;
}

const answered = (page) => page.locator("#code, #verdict.faults").waitFor();
const code = (page) => page.locator("#code").textContent();
const editor = (page, part) => page.locator(`#${part} .cm-content`);
const textOf = (page, part) => editor(page, part).evaluate((content) => content.cmTile.view.state.doc.toString());

/** Replaces the content of an editor by typing, like a person. */
async function type(page, part, text) {
  await editor(page, part).click();
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(text);
}

/** Drops files, each with its name and its text, on the editor of the claim. */
const drop = (page, files) =>
  page.evaluate((files) => {
    const dataTransfer = new DataTransfer();
    for (const [name, text] of Object.entries(files)) dataTransfer.items.add(new File([text], name));
    const editor = document.querySelector("#claim .editor").shadowRoot.querySelector(".cm-content");
    editor.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true, composed: true }));
  }, files);

/** The directory of the stories, as in the labels of the cases. */
const GALLERY = "gallery/";
const storyCases = (id) => cases.filter(({ label }) => label === GALLERY + id);

test("every case has the same bytes in the browser as in the native engine", async (t) => {
  const page = await open(t, { path: "/" });
  const answers = await page.evaluate(async (cases) => {
    const { call } = await import("/package/index.js");
    const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];
    return cases.map(({ operation, payload }) => {
      try {
        return decoder.decode(call(operation, encoder.encode(payload)));
      } catch (error) {
        return error.message;
      }
    });
  }, cases);
  assert.ok(cases.length > 300);
  cases.forEach(({ label, name, answer }, index) => assert.equal(answers[index], answer, `${label}: ${name}`));
});

test("every step of every story has the verdict of the native engine, and no file is left out", async (t) => {
  const page = await open(t);
  const told = [];
  for (const button of await page.locator("#story-list button").all()) {
    await button.click();
    const id = await button.getAttribute("data-story");
    const expected = storyCases(id).map(({ answer }) => JSON.parse(answer));
    const steps = page.locator("#story ol button");
    assert.equal(await steps.count(), expected.length, id);
    for (const [index, plan] of expected.entries()) {
      await steps.nth(index).click();
      await page.locator("#tab-plan").click();
      assert.deepEqual(JSON.parse(await page.locator("#panel pre").textContent()), plan, `${id} ${index}`);
      assert.equal(await code(page), plan.verdict.code);
    }
    told.push(GALLERY + id);
  }
  const files = new Set(cases.map(({ label }) => label).filter((label) => label.startsWith(GALLERY)));
  assert.deepEqual(told.toSorted(), [...files].toSorted());
});

test("a mistake in settings is marked on its line, and the answer returns once it is corrected", async (t) => {
  const page = await open(t);
  await type(page, "settings", "gate: evidence\nbackup:\n  retain:\n    hourly: 24\n  pruneIntervalDays: soon\n");
  await page.locator("#verdict.faults").waitFor();
  const marked = page.locator("#settings .cm-lintRange-error");
  assert.equal(await marked.textContent(), "pruneIntervalDays: soon");
  assert.match(await page.locator("#verdict").textContent(), /Settings, line 5/);
  await page.locator("#verdict button").click();
  await page.keyboard.press("End");
  for (const _ of "soon") await page.keyboard.press("Backspace");
  await page.keyboard.type("3");
  assert.ok(await code(page));
  assert.equal(await marked.count(), 0);
  assert.match(await page.locator("#panel").textContent(), /pruneIntervalDays: 3\n/);
});

test("invalid YAML is marked where it breaks", async (t) => {
  const page = await open(t);
  await type(page, "claim", "kind: PersistentVolumeClaim\nmetadata: {name: data\n");
  await page.locator("#verdict.faults").waitFor();
  assert.match(await page.locator("#verdict").textContent(), /Claim, line [23]/);
});

test("a claim that the policy refuses is marked at its place, and still has an answer", async (t) => {
  const page = await open(t);
  await page.locator('[data-story="database"]').click();
  assert.equal(await code(page), "VolumeUnsupported");
  assert.match(await page.locator("#claim .cm-lintRange-error").first().textContent(), /ownerReferences/);
});

test("the form and the YAML show the same evidence, and the answer follows both", async (t) => {
  const page = await open(t);
  await page.getByLabel("The repository", { exact: true }).selectOption({ label: "can't be read: access was denied" });
  assert.equal(await code(page), "RepositoryUnread");
  assert.deepEqual(parse(await textOf(page, "evidence")).repository, { unread: "denied" });
  await page.locator("#evidence summary").click();
  await type(
    page,
    "evidence",
    'repository: {emptied: {asOf: "2026-11-24T10:00:00Z", fingerprint: ' + "a".repeat(64) + "}}\n",
  );
  const chosen = page.getByLabel("The repository", { exact: true }).locator("option:checked");
  assert.equal(await chosen.textContent(), "has data, but no snapshot any more");
  await page.getByLabel("There is evidence").uncheck();
  assert.equal(await code(page), "NoEvidence");
});

test("invalid evidence is marked, and the form waits until it is valid", async (t) => {
  const page = await open(t);
  await page.locator("#evidence summary").click();
  for (const nonsense of ["repository: holds", "5", "- a", "claim: {volume: {of: 3}}", "backup: {ours: null}"]) {
    await type(page, "evidence", nonsense);
    await page.locator("#verdict.faults", { hasText: "Evidence, line 1" }).waitFor();
    assert.equal(await page.locator("#questions").evaluate((form) => form.inert), true, nonsense);
  }
  await type(page, "evidence", "{}");
  assert.equal(await page.locator("#questions").evaluate((form) => form.inert), false);
  assert.deepEqual(page.said, []);
});

test("a cell of the map loads its evidence", async (t) => {
  const page = await open(t);
  const cell = page.locator("#cells td button", { hasText: "SnapshotsGone" }).first();
  await cell.click();
  assert.equal(await code(page), "SnapshotsGone");
  assert.equal(await page.getByLabel("The repository", { exact: true }).inputValue(), "emptied");
  assert.equal(await page.locator('#cells [aria-current="true"]').textContent(), "‖ SnapshotsGone");
});

test("every answer to every question is read back as it was given", async (t) => {
  const page = await open(t);
  const selects = page.locator("#questions select");
  for (const phase of ["Pending", "Bound"]) {
    for (const select of await selects.all()) {
      await page.locator("#story ol button").first().click();
      await page.getByLabel("The claim", { exact: true }).selectOption(phase);
      for (const value of await select
        .locator("option:not([value=''])")
        .evaluateAll((all) => all.map(({ value }) => value))) {
        if (!(await select.isVisible())) break;
        await select.selectOption(value);
        assert.equal(await select.inputValue(), value);
        assert.equal(await page.locator("#evidence .cm-lintRange-error").count(), 0, value);
        assert.ok(await code(page));
      }
    }
  }
});

test("a link restores everything that was typed except the credentials", async (t) => {
  const page = await open(t);
  await page.locator('[data-story="old-volume"]').click();
  await type(page, "settings", "backup: {retain: {hourly: 48}} # a comment\n");
  await page.getByLabel("The repository", { exact: true }).selectOption("emptied");
  const expected = await code(page);
  await page.locator("#share").click();
  await page.locator("#told", { hasText: "copied" }).waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(link, page.url());

  const other = await open(t, { path: link.slice(origin.length) });
  assert.equal(await code(other), expected);
  for (const part of ["claim", "settings", "evidence"])
    assert.equal(await textOf(other, part), await textOf(page, part));

  const broken = await open(t, { path: link.slice(origin.length, -9) });
  assert.equal(await broken.locator("#told").textContent(), "The link cannot be read.");
});

test("the server prints its address", async (t) => {
  const server = spawn(process.execPath, ["wasm/playground/serve.mjs", BUILT, "0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => server.kill());
  const [address] = await once(createInterface(server.stdout), "line");
  const page = await fetch(new URL("playground/", address));
  assert.match(await page.text(), /<title>volsync-policy playground<.title>/);
  for (const path of ["nothing", "../../Cargo.toml", "..%2f..%2fCargo.toml"]) {
    assert.equal((await fetch(new URL(path, address))).status, 404, path);
  }
});

test("a credential is in no link, request, storage, history or message, and nothing leaves the origin", async (t) => {
  const canary = "canary-of-the-credentials";
  const page = await open(t);
  const secret = { RESTIC_REPOSITORY: `s3:http://${canary}/b`, RESTIC_PASSWORD: canary, AWS_ACCESS_KEY_ID: canary };
  await type(
    page,
    "credentials",
    JSON.stringify({ stringData: { ...secret, AWS_SECRET_ACCESS_KEY: canary, [canary]: 1 } }),
  );
  await page.locator("#verdict.faults, #code").first().waitFor();
  await type(page, "credentials", JSON.stringify({ stringData: { ...secret, AWS_SECRET_ACCESS_KEY: canary } }));
  await page.locator("#tab-secret").click();
  const rendered = await page.locator("#panel").textContent();
  assert.ok(rendered.includes(Buffer.from(canary).toString("base64")), "the canary is not even used");
  await page.locator("#share").click();
  await page.locator("#told", { hasText: "copied" }).waitFor();
  await page.locator('[data-story="store-down"]').click();
  await page.evaluate(() => navigator.serviceWorker.ready);

  const kept = await page.evaluate(async () => {
    const cached = [];
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      for (const request of await cache.keys()) cached.push(request.url, await (await cache.match(request)).text());
    }
    const databases = (await indexedDB.databases()).map(({ name }) => name);
    return [location.href, JSON.stringify(history.state), document.cookie, ...databases, ...cached].concat(
      Object.entries(localStorage).flat(),
      Object.entries(sessionStorage).flat(),
    );
  });
  const { inflateRawSync } = await import("node:zlib");
  const [, packed] = /#review=(.*)/.exec(page.url());
  const shared = inflateRawSync(Buffer.from(packed, "base64url")).toString();
  assert.match(shared, /PersistentVolumeClaim/);
  for (const text of [...kept, shared, ...page.requested, ...page.said])
    assert.ok(!text.includes(canary), text.slice(0, 200));
  assert.deepEqual(
    page.requested.filter((url) => !url.startsWith(`${origin}/`) && !url.startsWith("blob:")),
    [],
  );
});

test("the console stays empty, and the content security policy is not violated", async (t) => {
  const page = await open(t);
  await type(page, "settings", "gate: x");
  await page.locator("#settings .cm-lintRange-error").hover();
  await page.locator(".cm-tooltip").waitFor();
  assert.deepEqual(await page.evaluate(() => violations), []);
  assert.deepEqual(page.said, []);
  const policy = await page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute("content");
  assert.match(policy, /^default-src 'none';/);
  assert.doesNotMatch(policy, /unsafe-inline|'unsafe-eval'|https?:|\*/);
});

for (const colorScheme of ["light", "dark"]) {
  for (const [width, height] of [
    [1440, 1000],
    [390, 844],
  ]) {
    test(`axe finds no serious problem, ${colorScheme}, ${width} wide`, async (t) => {
      const page = await open(t, { colorScheme, viewport: { width, height }, bypassCSP: true });
      await page.addScriptTag({ path: AXE });
      const check = async () => {
        const { violations } = await page.evaluate(() => axe.run());
        const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
        assert.deepEqual(
          serious.map(({ id, nodes }) => [id, ...nodes.map(({ html, any }) => html + (any[0]?.message ?? ""))]),
          [],
        );
      };
      // Every appearance of an answer: waiting, held, running, refused, paused, and no answer.
      for (const [story, step] of [
        ["fresh-cluster", 0],
        ["came-back-empty", 0],
        ["fresh-cluster", 4],
        ["database", 0],
        ["test-claim", 1],
      ]) {
        await page.locator(`[data-story="${story}"]`).click();
        await page.locator("#story ol button").nth(step).click();
        await check();
      }
      await drop(page, DUMP);
      await page.locator("#dump").waitFor();
      await page.locator("#dump-claim").selectOption("shop/restored");
      await check();
      await page.locator("#view").selectOption("before");
      await page.locator("#evidence").evaluate((details) => (details.open = true));
      await type(page, "settings", "gate: x");
      await check();
      const overflows = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.equal(overflows, false);
    });
  }
}

test("everything can be reached and used with the keyboard", async (t) => {
  const page = await open(t);
  const reached = new Set();
  const wanted = await page.evaluate(
    () =>
      [...document.querySelectorAll("button, select, input, summary, a[href]")].filter(
        (it) => it.tabIndex >= 0 && it.checkVisibility(),
      ).length,
  );
  for (let pressed = 0; pressed < wanted + 20; pressed += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const host = document.activeElement;
      const inner = host.shadowRoot?.activeElement ?? host;
      const { outlineStyle, outlineWidth } = getComputedStyle(host.matches(".editor") ? host : inner);
      if (inner === document.body) return undefined;
      globalThis.order ??= new Map();
      if (!order.has(inner)) order.set(inner, order.size);
      return {
        index: order.get(inner),
        is: inner.outerHTML.slice(0, 100),
        visible: outlineStyle !== "none" && outlineWidth !== "0px",
      };
    });
    if (at === undefined || reached.has(at.index)) break;
    assert.ok(at.visible, `no visible focus: ${at.is}`);
    reached.add(at.index);
  }
  // Four editors, of which one is collapsed, and the scrollable regions; at least as many as there are controls.
  assert.ok(reached.size >= wanted + 3, `${reached.size} of ${wanted}`);
  await page.locator("#tab-source").focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.locator('[role="tab"][aria-selected="true"]').textContent(), "ReplicationDestination");
});

test("keys of settings are completed from the schema", async (t) => {
  const page = await open(t);
  const complete = async (above, written, meant) => {
    await type(page, "settings", above);
    await page.keyboard.type(written);
    await page.locator(".cm-tooltip-autocomplete li", { hasText: meant }).first().click();
    return textOf(page, "settings");
  };
  assert.equal(await complete("backup:\n  ", "prun", "pruneIntervalDays"), "backup:\n  pruneIntervalDays: ");
  assert.equal(await complete("backup:\n  retain:\n    ", "wee", "weekly"), "backup:\n  retain:\n    weekly: ");
  assert.equal(await complete("profile: seed\ngate: ", "e", "evidence"), "profile: seed\ngate: evidence");
});

test("files that are dropped go into the right editors", async (t) => {
  const page = await open(t);
  const example = (name) => readFileSync(new URL(`../examples/${name}.yaml`, import.meta.url), "utf-8");
  const [claim, credentials, settings] = ["claim", "credentials", "settings"].map(example);
  await drop(page, { "a.yaml": claim, "b.yaml": credentials, "c.yaml": settings, "d.yaml": "kind: Pod\n" });
  await page.locator("#told", { hasText: "Loaded: Claim, Base credentials, Settings. Not recognised: 1." }).waitFor();
  assert.deepEqual(parse(await textOf(page, "claim")), parse(claim));
  await drop(page, { "a.yaml": readFileSync(new URL("cases/gallery/store-down.yaml", import.meta.url), "utf-8") });
  await page.locator("#code", { hasText: "LedgerUnread" }).waitFor();
});

const [credentials, settings] = dump.given;
const DUMP = { "dump.json": dump.text, "credentials.yaml": credentials, "settings.yaml": settings };
const MODULE = "dump_bg.wasm";

/** How often the module that reads dumps was fetched. */
const fetched = (page) => page.requested.filter((url) => url.endsWith(MODULE)).length;

/** The whole document, with the shadow roots of the editors. */
const whole = (page) =>
  page.evaluate(() => {
    const hosts = [...document.querySelectorAll("*")].filter(({ shadowRoot }) => shadowRoot);
    const contents = hosts.map(({ shadowRoot }) => shadowRoot.querySelector(".cm-content"));
    const texts = contents.map((content) => content.cmTile.view.state.doc.toString());
    return [document.documentElement.outerHTML, ...hosts.map((host) => host.shadowRoot.innerHTML), ...texts].join("\n");
  });

const nameOf = ({ metadata: { namespace, name } }) => `${namespace}/${name}`;
const missing = (page) =>
  page
    .locator("#dump-missing")
    .evaluateAll((lists) =>
      lists.flatMap((list) =>
        [...list.querySelectorAll("dt")].map((dt) => [dt, dt.nextSibling].map((it) => it.textContent)),
      ),
    );

test("a dump that is dropped is explained as the command does, and no value of its Secrets is shown", async (t) => {
  const page = await open(t);
  assert.equal(fetched(page), 0);
  await drop(page, DUMP);
  await page.locator("#dump-title", { hasText: "Dump: dump.json" }).waitFor();
  await page.locator("#told", { hasText: "Loaded: Base credentials, Settings." }).waitFor();
  const groups = await page
    .locator("#dump-claim optgroup")
    .evaluateAll((groups) => groups.map(({ label, textContent }) => [label, textContent]));
  assert.deepEqual(groups, [
    ["Labelled (4)", "shop/freshshop/heldshop/releasedshop/restored"],
    ["Without the label, or in an excluded namespace (1)", "shop/scratch"],
  ]);
  const codes = [];
  for (const [assumes, explained] of dump.explained.entries()) {
    await page.locator("#dump-assumes").setChecked(assumes === 1);
    for (const { claim, plan, missing: expected } of explained) {
      await page.locator("#dump-claim").selectOption(nameOf(claim));
      assert.equal(await code(page), plan.verdict.code);
      assert.deepEqual(
        await missing(page),
        expected.map(([topic, sentence]) => [topic, sentence.replaceAll("`", "")]),
      );
      assert.deepEqual(parse(await textOf(page, "claim")), claim);
      for (const tab of ["source", "destination", "secret", "patch", "steps", "plan"]) {
        await page.locator(`#tab-${tab}`).click();
        for (const canary of dump.canaries)
          assert.ok(!(await whole(page)).includes(canary), `${claim.metadata.name} ${tab}`);
      }
      assert.deepEqual(JSON.parse(await page.locator("#panel pre").textContent()), plan);
      codes.push(plan.verdict.code);
    }
  }
  // The same expectations as in `harness/cli/tests/seen.rs`, for a redacted dump.
  const held = ["FreshVolume", "UnrestoredVolume"];
  assert.deepEqual(codes.slice(0, 5), [...held, "ObjectsUnread", "ObjectsUnread", "NotSelected"]);
  assert.deepEqual(codes.slice(5), [...held, "Released", "Restored", "NotSelected"]);
  await page.locator("#dump-claim").selectOption("shop/held");
  const command = await page.locator("#verdict .command").textContent();
  assert.match(command, /^kubectl annotate --overwrite pvc held -n shop /);
  assert.ok(fetched(page) > 0);
  for (const text of [...page.requested, ...page.said])
    for (const canary of dump.canaries) assert.ok(!text.includes(canary));
  assert.deepEqual(page.said, []);
});

test("a dump can be opened with the keyboard, and follows the settings until something else is changed", async (t) => {
  const page = await open(t);
  const chooser = page.waitForEvent("filechooser");
  await page.locator("#open-dump").focus();
  await page.keyboard.press("Enter");
  const file = { name: "cluster.json", mimeType: "application/json", buffer: Buffer.from(dump.text) };
  await (await chooser).setFiles(file);
  await page.locator("#dump-title", { hasText: "Dump: cluster.json" }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "dump-claim");
  await type(page, "credentials", credentials);
  await type(page, "settings", settings);
  assert.equal(await code(page), "FreshVolume");
  await page.locator("#dump-claim").focus();
  await page.keyboard.press("ArrowDown");
  assert.equal(await code(page), "UnrestoredVolume");

  await type(page, "settings", "gate: x");
  await page.locator("#verdict.faults").waitFor();
  assert.deepEqual(await missing(page), [["problem", "settings.gate: expected evidence or none"]]);
  await type(page, "settings", "label: other.example/backup");
  await page.locator("#code", { hasText: "NotSelected" }).waitFor();
  assert.match(await page.locator("#dump-claim optgroup").getAttribute("label"), /^Without the label.* \(5\)$/);
  await type(page, "settings", settings);
  assert.equal(await code(page), "UnrestoredVolume");

  await page.getByLabel("The repository", { exact: true }).selectOption("unread unreachable");
  assert.equal(await page.locator("#dump-claim").inputValue(), "");
  assert.equal(await code(page), "RepositoryUnread");
  await page.locator("#dump-close").click();
  assert.equal(await page.locator("#dump").isVisible(), false);
  assert.equal(await code(page), "RepositoryUnread");
});

test("an invalid dump is reported with its place, and changes nothing", async (t) => {
  const page = await open(t);
  const expected = await code(page);
  const told = (words) => page.locator("#told", { hasText: words }).waitFor();
  await page.evaluate(() => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([new Uint8Array(64_000_001)], "large.json"));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
  });
  await told(/^large.json: too large: it has 65 MB, and a page takes 64 MB; /);
  assert.equal(fetched(page), 0);
  for (const [name, text, words] of [
    ["cut.json", '{\n  "apiVersion": "v1",\n  "items": [\n', /^cut.json:\d: this is neither JSON nor YAML/],
    [
      "other.yaml",
      "kind: List\nitems: []\n---\na: hunter2\n",
      /^other.yaml:4: is neither an object of Kubernetes, a List /,
    ],
    ["text.txt", "hunter2\n", /^text.txt:1: is neither an object of Kubernetes, a List of them nor /],
    [
      "empty.json",
      '{"kind": "List", "apiVersion": "v1", "items": []}',
      /^empty.json: no claim is in it; kubectl get pvc /,
    ],
  ]) {
    await drop(page, { [name]: text });
    await told(words);
    await page
      .locator("#dump-files")
      .setInputFiles([{ name: `opened-${name}`, mimeType: "", buffer: Buffer.from(text) }]);
    await told(new RegExp(words.source.replace("^", "^opened-")));
  }
  assert.ok(!(await whole(page)).includes("hunter2"));
  assert.equal(await page.locator("#dump").isVisible(), false);
  assert.equal(await code(page), expected);
  assert.deepEqual(page.said, []);
});

test("the copy button copies everything that is shown", async (t) => {
  const page = await open(t);
  await page.locator('[data-story="came-back-empty"]').click();
  await page.locator("#manifests .copy").click();
  await page.locator("#told", { hasText: "Copied." }).waitFor();
  assert.equal(
    await page.evaluate(() => navigator.clipboard.readText()),
    await page.locator("#panel pre").textContent(),
  );
  await page.locator("#verdict .copy").click();
  const command = await page.locator("#verdict .command").textContent();
  assert.match(command, /^kubectl annotate --overwrite pvc data -n shop /);
  assert.match(command, / volsync-policy.io.accept="[0-9a-f]{8} <reason>"$/);
  await page.waitForFunction(async (command) => (await navigator.clipboard.readText()) === command, command);
});

test("manifests are downloaded as YAML", async (t) => {
  const page = await open(t);
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#download").click()]);
  assert.equal(download.suggestedFilename(), "data.yaml");
  const documents = readFileSync(await download.path(), "utf-8")
    .split("---\n")
    .map((text) => parse(text));
  assert.deepEqual(
    documents.map(({ kind }) => kind),
    ["Secret", "ReplicationDestination", "ReplicationSource"],
  );
});

test("changes since the previous answer, and with the other profile, are shown", async (t) => {
  const page = await open(t);
  await type(page, "settings", "backup: {pruneIntervalDays: 3}");
  await page.locator("#view").selectOption("before");
  assert.match(await page.locator("#panel del").first().textContent(), /pruneIntervalDays: 10/);
  assert.match(await page.locator("#panel ins").first().textContent(), /pruneIntervalDays: 3/);
  await page.locator("#view").selectOption("profile");
  assert.ok((await page.locator("#panel del, #panel ins").count()) > 0);
});

test("after the first load it works without a network", async (t) => {
  const page = await open(t);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.context().setOffline(true);
  await page.reload();
  await answered(page);
  await page.locator('[data-story="store-down"]').click();
  assert.equal(await code(page), "LedgerUnread");
});

test("the module for dumps is fetched with the first one, and others are read without a network", async (t) => {
  const page = await open(t);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.waitForFunction(() => navigator.serviceWorker.controller);
  const isKept = () => page.evaluate(async (file) => (await caches.match(file)) !== undefined, MODULE);
  assert.deepEqual([fetched(page), await isKept()], [0, false]);
  await drop(page, DUMP);
  await page.locator("#code", { hasText: "FreshVolume" }).waitFor();
  assert.equal(await isKept(), true);
  await page.context().setOffline(true);
  await page.reload();
  await answered(page);
  await drop(page, DUMP);
  await page.locator("#code", { hasText: "FreshVolume" }).waitFor();
});

test("the first answer needs only the page, its style, its script and the module", async (t) => {
  const page = await open(t);
  const [entry] = await page.evaluate(() =>
    performance.getEntriesByName("answered").map(({ startTime }) => ({
      startTime,
      loaded: performance.getEntriesByType("resource").filter(({ responseEnd }) => responseEnd <= startTime),
    })),
  );
  const loaded = entry.loaded.map(({ name }) => name.slice(`${origin}/some/where/`.length));
  const wanted = ["playground.css", "playground.js", "policy_bg.wasm"];
  assert.deepEqual(loaded.filter((file) => file !== "icon.svg").toSorted(), wanted);
  t.diagnostic(`${Math.round(entry.startTime)} ms from a cold load to the first answer`);
});
