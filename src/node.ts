// One node with all its rooms: wires them together, starts and ends them. Knows what an application sees of it by its contract alone.

import { randomUUID } from "node:crypto";
import { createApi } from "./api/api.ts";
import { createKeyCheck } from "./api/keys.ts";
import { RequestsUnderWay } from "./api/under-way.ts";
import type { Application } from "./application.ts";
import { createVerification, type Verification } from "./auth/verification.ts";
import type { Position } from "./bridge/bridge.ts";
import { createBridge, measuresOf, type SomeBridge, startBridge } from "./bridging.ts";
import { isLoopback } from "./config/authentication.ts";
import { developmentMode } from "./config/config.ts";
import type { Limits } from "./config/limits.ts";
import type { Options } from "./config/options.ts";
import { type AdmissionRules, notFound } from "./connections/admission.ts";
import { clientAddressBy } from "./connections/client-address.ts";
import { Connections } from "./connections/connections.ts";
import { EventRequests } from "./connections/event-requests.ts";
import type { Session } from "./connections/session.ts";
import { createConsole } from "./console/console.ts";
import { ConsoleState } from "./console/state.ts";
import type { CreateEngine, Engine, EngineHandlers, EngineLimits, HttpRequest } from "./engine/engine.ts";
import { FanwireError } from "./errors.ts";
import { askForKey, createHttp, type HttpOptions } from "./http.ts";
import { Hub } from "./hub/hub.ts";
import { Snapshots } from "./hub/snapshots.ts";
import { createLog, type Log } from "./log.ts";
import { EventLoopDelay } from "./metrics/event-loop-delay.ts";
import { exposeMetrics, type Measured } from "./metrics/metrics.ts";
import { statsOf } from "./metrics/stats.ts";
import { Access } from "./requests/access.ts";
import { isLaterThan } from "./requests/deadline.ts";
import { Publications } from "./requests/publications.ts";
import { Requests } from "./requests/requests.ts";
import type { PublishOptions, Server } from "./server.ts";
import { version } from "./version.ts";

/** Starts a node with options that are complete already. */
export async function startNode(options: Options, application: Application = {}, log?: Log): Promise<Server> {
  const node = new Node(options, application, await loadEngine(), log ?? createLog(options.logLevel));
  await node.start();
  return node;
}

/** The engine of the runtime this runs on. Loaded on demand: neither can be loaded in the other's runtime. */
async function loadEngine(): Promise<CreateEngine> {
  if (process.versions.bun !== undefined) return (await import("./engine/bun.ts")).createBunEngine;
  return (await import("./engine/uws.ts")).createUwsEngine;
}

const tickMs = 1000;
/** Of the time in which a node ends, what is kept for its goodbye to Redis: more than that takes where Redis is well. */
const partingMs = 2000;
/** Room above our own limits, so that it is ours that clients meet, with a code that says so. */
const engineSlack = 2;

/** On any engine: benchmarks bring one that they time. */
export class Node implements Server {
  readonly #options: Options;
  readonly #bridge: SomeBridge;
  readonly #hub: Hub;
  readonly #connections: Connections;
  readonly #events: EventRequests;
  readonly #engine: Engine<Session>;
  /** The second listener, where there is one. */
  readonly #adminEngine: Engine<never> | undefined;
  readonly #publications: Publications;
  readonly #verification: Verification | undefined;
  readonly #log: Log;
  readonly #underWay = new RequestsUnderWay();
  readonly #delay = new EventLoopDelay();
  readonly #measured: Measured;
  /** There where the console is. */
  readonly #consoleState: ConsoleState | undefined;
  #address: Server["address"] | undefined;
  #ticking: ReturnType<typeof setInterval> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: Options, application: Application, createEngine: CreateEngine, log: Log) {
    const now = Date.now;
    const { limits, namespaces } = options;
    const isDevelopment = developmentMode(options);
    this.#options = options;
    this.#log = log;
    this.#bridge = createBridge(options, log);
    const bridge = this.#bridge;
    const snapshots = new Snapshots({ providers: application.snapshots ?? {}, namespaces, limits, log });
    this.#hub = new Hub({
      bridge,
      namespaces,
      limits,
      snapshots,
      disconnect: (userId, reason) => this.#connections.disconnect(userId, reason),
      now,
      defer: setImmediate,
      after,
    });
    this.#publications = new Publications({ hub: this.#hub, bridge, limits, now });
    this.#verification = createVerification(options, log, now);
    const verify = this.#verification?.verify;
    const admission = { isLoopbackOnly: isDevelopment, allowedOrigins: options.allowedOrigins };
    const addressOf = clientAddressBy(options.trustedProxies);
    const requests = new Requests({
      hub: this.#hub,
      bridge,
      application,
      verify: verify ?? refuseTokens,
      limits,
      log,
      now,
    });
    this.#connections = new Connections({
      nodeId: options.nodeId,
      limits,
      hub: this.#hub,
      requests,
      admission,
      addressOf,
      verify,
      application,
      log,
      now,
      newId: randomUUID,
      random: Math.random,
    });
    const connections = this.#connections;
    this.#events = new EventRequests({
      connections,
      hub: this.#hub,
      access: new Access(application, limits),
      admission,
      addressOf,
      limits,
      log,
      newId: randomUUID,
      random: Math.random,
    });
    const failed = (error: unknown) => log.error("handler-failed", { error });
    const engineLimits = engineLimitsOf(limits);
    const endpoints = this.#endpoints(admission);
    this.#engine = createEngine<Session>(
      { ...socketsOf(connections), http: createHttp(endpoints.client), failed },
      engineLimits,
    );
    if (endpoints.admin) {
      this.#adminEngine = createEngine(
        { ...noSockets, http: createHttp(endpoints.admin), failed },
        engineLimits,
      );
    }
    this.#hub.deliverTo(this.#engine as Engine<unknown>);
    this.#measured = {
      engine: this.#engine.name,
      nodeId: options.nodeId,
      version,
      sinceMs: performance.now(),
      hub: this.#hub,
      bridge: measuresOf(bridge),
      connections,
      delay: this.#delay,
      accepted: { client: requests.accepted, server: this.#publications.accepted },
    };
    if (options.console) {
      this.#consoleState = new ConsoleState({
        measured: this.#measured,
        hub: this.#hub,
        connections,
        delay: this.#delay,
        isDevelopment,
        now,
      });
    }
  }

  get address(): Server["address"] {
    return this.#address!;
  }

  async start(): Promise<void> {
    const { nodeId } = this.#options;
    await this.#verification?.start();
    await startBridge(this.#bridge, this.#hub, this.#options);
    this.#address = await this.#listen().catch(async (error) => {
      await this.#closeEngines();
      await this.#bridge.close();
      throw error;
    });
    this.#ticking = setInterval(() => this.#tick(), tickMs);
    this.#delay.start();
    const mode = developmentMode(this.#options) ? "development" : "production";
    this.#log.info("listening", { ...this.#address, nodeId, mode });
  }

  publish(topic: string, data: unknown, options?: PublishOptions): Promise<Position | undefined> {
    return this.#publications.publish(topic, data, options);
  }

  broadcast(data: unknown, options?: PublishOptions): Promise<Position | undefined> {
    return this.publish("broadcast:all", data, options);
  }

  sendToUser(userId: string, data: unknown, options?: PublishOptions): Promise<Position | undefined> {
    return this.publish(`user:${userId}`, data, options);
  }

  close(): Promise<void> {
    this.#publications.close();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { drainCloseMs, drainExitMs } = this.#options.limits;
    const endsAtMs = performance.now() + drainExitMs;
    const forClientsMs = Math.max(drainCloseMs, drainExitMs - partingMs);
    this.#log.info("draining", { connections: this.#connections.count });
    this.#connections.startDraining();
    await Promise.all([this.#connections.closeAll(forClientsMs), this.#underWay.finished(forClientsMs)]);
    clearInterval(this.#ticking);
    this.#delay.close();
    const parting = this.#closeEngines().then(() => this.#bridge.close());
    const isLate = await isLaterThan(endsAtMs - performance.now(), parting);
    this.#log.info("closed", isLate ? { isLate } : {});
  }

  async #listen(): Promise<Server["address"]> {
    const { host, port, adminHost, adminPort } = this.#options;
    const address = { host, port: await this.#engine.listen(host, port), engine: this.#engine.name };
    if (!this.#adminEngine || adminPort === undefined) return address;
    try {
      return { ...address, adminHost, adminPort: await this.#adminEngine.listen(adminHost, adminPort) };
    } catch (error) {
      throw Object.assign(error as Error, { listener: "admin" });
    }
  }

  async #closeEngines(): Promise<void> {
    await this.#engine.close();
    await this.#adminEngine?.close();
  }

  /** What the listeners answer: the clients' one, and the admins' one where there is such. */
  #endpoints(admission: AdmissionRules): { client: HttpOptions; admin?: HttpOptions } {
    const { apiKeys, adminPort, console: hasConsole } = this.#options;
    const isDevelopment = developmentMode(this.#options);
    const api = createApi({
      keys: apiKeys,
      hub: this.#hub,
      bridge: this.#bridge,
      publications: this.#publications,
      limits: this.#options.limits,
      log: this.#log,
      stats: () => statsOf(this.#measured, this.#hub.topicsByMode()),
      isDraining: () => this.#connections.isDraining,
    });
    const hasSocket = adminPort === undefined;
    const settings = { asksForToken: !isDevelopment, asksForKey: !isDevelopment && hasSocket, hasSocket };
    const tell = (query: string) => this.#consoleState!.tell(query);
    const internal = {
      metrics: () => exposeMetrics(this.#measured),
      ...(apiKeys.length > 0 && { api: this.#underWay.watch(api) }),
      ...(hasConsole && { console: createConsole(settings, tell) }),
    };
    const common = { admission, unreadiness: () => this.#unreadiness };
    const events = (request: HttpRequest) => this.#events.answer(request);
    const client = { ...common, hasSocket: true, events };
    if (adminPort !== undefined) {
      // Whoever reaches it may know everything, so no web page may.
      const isLoopbackOnly = isLoopback(this.#options.adminHost);
      const rules = { ...admission, isLoopbackOnly };
      return { client, admin: { ...common, admission: rules, hasSocket: false, internal } };
    }
    const isKnown = createKeyCheck(apiKeys);
    const authorize = (request: HttpRequest) =>
      isDevelopment || isKnown(request.headers.get("authorization")) ? undefined : askForKey();
    return { client: { ...client, internal: { ...internal, authorize } } };
  }

  get #unreadiness(): string | undefined {
    if (this.#connections.isDraining) return "draining";
    if (!this.#hub.bridgeIsAlive) return "the bridge between nodes is not proven alive";
    if (this.#verification?.isReady() === false) return "no keys to verify tokens with";
    return undefined;
  }

  #tick(): void {
    this.#verification?.tick();
    this.#connections.tick();
    this.#hub.tick();
    this.#delay.tick();
    this.#consoleState?.tick();
  }
}

function engineLimitsOf(limits: Limits): EngineLimits {
  return {
    maxPayloadBytes: limits.maxFrameBytes * engineSlack,
    maxBufferedBytes: limits.hardBufferedBytes,
    maxBodyBytes: limits.maxBodyBytes,
    bodyTimeoutMs: limits.bodyTimeoutMs,
  };
}

/** What an engine tells of its sockets. */
type SocketHandlers = Omit<EngineHandlers<Session>, "http" | "failed">;

function socketsOf(connections: Connections): SocketHandlers {
  return {
    upgrade: (request) => connections.upgrade(request),
    open: (socket) => connections.open(socket),
    message: (socket, payload) => connections.message(socket, payload),
    drain: (socket) => connections.drain(socket),
    pong: (socket) => connections.pong(socket),
    closed: (socket, code) => connections.closed(socket, code),
  };
}

/** Of a listener that has no sockets. */
const noSockets = {
  upgrade: () => ({ refuse: notFound() }),
  open: () => undefined,
  message: () => undefined,
  drain: () => undefined,
  pong: () => undefined,
  closed: () => undefined,
};

async function refuseTokens(): Promise<never> {
  throw new FanwireError("unauthorized", "Development mode has no secret to verify a token with.");
}

/** Immediates run sooner than timers of no delay. */
function after(delayMs: number, work: () => void): void {
  if (delayMs <= 0) setImmediate(work);
  else setTimeout(work, delayMs);
}
