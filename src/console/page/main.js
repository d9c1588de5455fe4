// The page's entry: two views, told apart by the address, and what they share.

import { $, settings } from "./elements.js";
import { Latency } from "./latency.js";
import { NodeView } from "./node.js";
import { Room } from "./room.js";
import { Try } from "./try.js";

const hasSocket = settings.has("socket");
// Somebody who needs a token to talk has come to look.
const usual = hasSocket && !settings.has("token") ? "room" : "node";

const latency = new Latency(() => room.connection);
const room = new Room(latency);
const node = new NodeView(latency, (topic) => attempts.choose(topic));
const attempts = new Try();

function show() {
  const asked = location.hash.slice(1);
  const view = (asked === "room" && hasSocket) || asked === "node" ? asked : usual;
  $("room-view").hidden = view !== "room";
  $("node-view").hidden = view !== "node";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${view}`) link.ariaCurrent = "page";
    else link.ariaCurrent = null;
  }
  document.title = `${view === "room" ? $("room-name").value : "node"} · fanwire`;
  node.watch(view === "node");
}

$("engine-room").open = matchMedia("(min-width: 60rem)").matches || settings.has("token");
room.enter(new URL(location).searchParams.get("room")?.trim() || "lobby");
show();
addEventListener("hashchange", show);
if (hasSocket) room.connection.open();
