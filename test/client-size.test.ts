// How much a page has to load for the client: bundled and minified as applications do it, and compressed.

import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { bundleClient, pageCopy } from "../scripts/client-bundle.ts";

const mostBytes = 6_000;

test(`the client for JSON is at most ${mostBytes} bytes, gzipped, and needs no other package`, async () => {
  const bundle = await bundleClient();
  expect(gzipSync(bundle, { level: 9 }).length).toBeLessThanOrEqual(mostBytes);
  expect(bundle).not.toMatch(/\bimport\b|\brequire\(/);
});

test("the page's copy of the client is the one the sources make (else: bun scripts/client-bundle.ts)", async () => {
  const { there, wanted } = await pageCopy();
  expect(there).toBe(wanted);
});
