// A wait for something to be complete, or for as long as it may take. Knows nothing of what it is.

export class Completion {
  #end: (() => void) | undefined;

  /** It is complete. */
  reached(): void {
    this.#end?.();
  }

  /** Resolves when it is complete from now on, or after the grace. */
  within(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, graceMs);
      this.#end = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
