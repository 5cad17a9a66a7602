// Opens a page in headless Chromium at phone and desktop width, light and dark, and prints what is wrong with each as
// JSON: {"360 light": ["..."], ...}. Screenshots go to a folder. It speaks the DevTools protocol over pipes, so it needs
// Node.js alone:
//
//     node scripts/check_report.mjs CHROMIUM report.html FOLDER

import { spawn } from "node:child_process";
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [chromium, page, folder] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), "report-"));
const options = ["--headless", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe", `--user-data-dir=${profile}`];
// Its sandbox refuses to run as root, as in containers.
if (process.getuid?.() === 0) options.push("--no-sandbox");
const browser = spawn(chromium, options, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
browser.on("error", (error) => fail(`cannot run ${chromium}: ${error.message}`));

// A browser that hangs must not hang the tests.
setTimeout(() => fail("no answer from the browser in two minutes"), 120_000).unref();

function fail(reason) {
  console.error(reason);
  browser.kill("SIGKILL");
  process.exit(1);
}

// Messages are JSON, each ended by a zero byte.
let last = 0;
const waiting = new Map();
let listen = () => {};
let rest = Buffer.alloc(0);
browser.stdio[4].on("data", (bytes) => {
  rest = Buffer.concat([rest, bytes]);
  for (let end; (end = rest.indexOf(0)) >= 0; rest = rest.subarray(end + 1)) {
    const message = JSON.parse(rest.subarray(0, end).toString());
    if (message.id === undefined) {
      listen(message);
      continue;
    }
    const { done, failed } = waiting.get(message.id);
    waiting.delete(message.id);
    message.error ? failed(new Error(message.error.message)) : done(message.result);
  }
});

function send(method, params = {}, sessionId) {
  const id = ++last;
  browser.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
  return new Promise((done, failed) => waiting.set(id, { done, failed }));
}

// Runs in the page: what a reader would stumble over. The window's own width grows with what is in it on a phone, so
// it is given.
function faults(window) {
  const found = [];
  const wide = document.documentElement.scrollWidth;
  if (wide > window) found.push(`the page is ${wide} wide in a window of ${window}`);
  const figures = [...document.querySelectorAll("figure svg")];
  if (figures.length === 0) found.push("no figures");
  for (const svg of figures) {
    const box = svg.getBoundingClientRect();
    const name = svg.querySelector("title").textContent;
    if (box.width < 200 || box.height < 40) found.push(`${name}: only ${box.width} x ${box.height}`);
    if (box.left < 0 || box.right > window + 1) found.push(`${name}: beyond the window`);
    const texts = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
    for (const [index, [text, a]] of texts.entries()) {
      if (a.left < box.left - 2 || a.right > box.right + 2) found.push(`${name}: "${text}" is cut off`);
      for (const [other, b] of texts.slice(index + 1)) {
        const over = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (over > 2 && high > 4) found.push(`${name}: "${text}" lies over "${other}"`);
      }
    }
    const size = 11 * box.width / svg.viewBox.baseVal.width;
    if (size < 9) found.push(`${name}: text of ${size} pixels`);
  }
  for (const table of document.querySelectorAll("table")) {
    const box = table.closest(".scroll").getBoundingClientRect();
    if (box.right > window + 1) found.push(`${table.caption.textContent}: its box is beyond the window`);
  }
  return found;
}

mkdirSync(folder, { recursive: true });
const results = {};
for (const width of [360, 1280]) {
  for (const colors of ["light", "dark"]) {
    const { targetId } = await send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
    const wrong = [];
    const loaded = new Promise((done) => {
      listen = ({ method, params }) => {
        if (method === "Runtime.exceptionThrown") wrong.push(params.exceptionDetails.text);
        if (method === "Log.entryAdded" && params.entry.level === "error") wrong.push(params.entry.text);
        if (method === "Page.loadEventFired") done();
      };
    });
    for (const domain of ["Page", "Runtime", "Log"]) await send(`${domain}.enable`, {}, sessionId);
    const metrics = { width, height: 800, deviceScaleFactor: 1, mobile: width < 600 };
    await send("Emulation.setDeviceMetricsOverride", metrics, sessionId);
    const features = [{ name: "prefers-color-scheme", value: colors }];
    await send("Emulation.setEmulatedMedia", { features }, sessionId);
    await send("Page.navigate", { url: pathToFileURL(resolve(page)).href }, sessionId);
    await loaded;
    const expression = `(${faults})(${width})`;
    const { result } = await send("Runtime.evaluate", { expression, returnByValue: true }, sessionId);
    wrong.push(...(result.value ?? [result.description]));
    const { cssContentSize } = await send("Page.getLayoutMetrics", {}, sessionId);
    // A picture has at most 16,384 lines.
    const { height } = cssContentSize;
    const clip = { x: 0, y: 0, width, height, scale: Math.min(1, 16_000 / height) };
    const { data } = await send("Page.captureScreenshot", { clip, captureBeyondViewport: true }, sessionId);
    writeFileSync(join(folder, `${width}-${colors}.png`), Buffer.from(data, "base64"));
    await send("Target.closeTarget", { targetId });
    results[`${width} ${colors}`] = wrong;
  }
}
console.log(JSON.stringify(results));
await send("Browser.close").catch(() => {});
await new Promise((done) => (browser.exitCode === null ? browser.once("exit", done) : done()));
rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
process.exit(0);
