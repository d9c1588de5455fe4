// What clients ask of the embedding application: finds the handler, gives it its time, and answers with what it returned.

import type { Application, CallHandler } from "../application.ts";
import type { Limits } from "../config/limits.ts";
import type { Session } from "../connections/session.ts";
import type { Payload } from "../engine/engine.ts";
import { FanwireError } from "../errors.ts";
import type { Log } from "../log.ts";
import { checkData, copyData, type DataRule } from "../wire/data.ts";
import { payloadBytes } from "../wire/format.ts";
import type { CallFrame } from "../wire/frames.ts";
import { withDeadline } from "./deadline.ts";

/** Up to here an answer waits for no other: all of a connection's requests in flight, answered so, fit its buffer. */
const smallAnswerBytes = 1024;

export interface CallsOptions {
  readonly application: Application;
  readonly limits: Limits;
  readonly log: Log;
}

export class Calls {
  readonly #options: CallsOptions;
  readonly #handlers: ReadonlyMap<string, CallHandler>;

  constructor(options: CallsOptions) {
    this.#options = options;
    this.#handlers = new Map(Object.entries(options.application.calls ?? {}));
  }

  /**
   * What there is to do for a call. Throws FanwireError where nothing is; what is done rejects with FanwireError `timeout` or
   * `call-failed`, or the one that the handler threw.
   */
  begin(session: Session, frame: CallFrame): () => Promise<void> {
    const { limits } = this.#options;
    const handler = this.#handlers.get(frame.method);
    if (!handler) {
      throw new FanwireError(
        "unknown-method",
        `There is no call ${JSON.stringify(frame.method.slice(0, 64))}.`,
      );
    }
    const { maxDataDepth: maxDepth, maxDataValues: maxValues } = limits;
    const rule = { maxDepth, maxValues, binary: session.format.binary };
    checkData(frame.data, rule);
    return async () => {
      const answer = await this.#answer(session, frame, handler, rule);
      if (answer === undefined) return;
      if (payloadBytes(answer) <= smallAnswerBytes) session.sendEncoded(answer);
      else await session.answerLarge(async () => session.sendEncoded(answer));
    };
  }

  async #answer(
    session: Session,
    frame: CallFrame,
    handler: CallHandler,
    rule: DataRule,
  ): Promise<Payload | undefined> {
    const { callTimeoutMs, recoveryChunkBytes } = this.#options.limits;
    const abort = session.startCall();
    try {
      const context = contextOf(session, abort.signal);
      const work = Promise.resolve().then(() => handler(frame.data, context));
      const result = await withDeadline(work, callTimeoutMs, () => {
        return new FanwireError("timeout", `${frame.method} did not answer within ${callTimeoutMs} ms.`);
      });
      return encodeResult(session, frame.id, copyResult(result, rule), recoveryChunkBytes);
    } catch (failure) {
      throw this.#callFailure(frame.method, failure);
    } finally {
      session.endCall(abort);
    }
  }

  #callFailure(method: string, failure: unknown): FanwireError {
    if (failure instanceof FanwireError) return failure;
    this.#options.log.error("call-failed", { method, error: failure });
    return new FanwireError("call-failed", `${method} failed.`);
  }
}

/** What a handler returned, as `data`. That it cannot travel is the handler's fault, not that of the caller's own data. */
function copyResult(result: unknown, rule: DataRule): unknown {
  try {
    return result === undefined ? null : copyData(result, rule);
  } catch (cause) {
    throw new Error("What the handler returned is not data.", { cause });
  }
}

/** The `ok` with a result, if one is asked for. One too large for a socket's buffer to take is the handler's fault as well. */
function encodeResult(
  session: Session,
  id: number | undefined,
  data: unknown,
  mostBytes: number,
): Payload | undefined {
  if (id === undefined) return undefined;
  const answer = session.format.encode({ type: "ok", id, data });
  const bytes = payloadBytes(answer);
  if (bytes > mostBytes) throw new Error(`What the handler returned has ${bytes} of ${mostBytes} bytes.`);
  return answer;
}

function contextOf(session: Session, signal: AbortSignal) {
  return { userId: session.userId, sessionId: session.id, info: session.claims.info, signal };
}
