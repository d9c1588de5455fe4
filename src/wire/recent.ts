// The most recent objects on a publication's way that nothing else keeps. V8 drops the code that it compiled for a shape of objects
// when a garbage collection finds none of that shape, and a server that has little to do collects its garbage: whatever came next
// was slow for half a second, until it was compiled again (`node --trace-deopt`: "weak objects"). One of each is enough.

export const recent = {
  /** A client's publish as its wire format decoded it, and the frame it became. */
  decoded: undefined as unknown,
  frame: undefined as unknown,
  /** A publication, and the frame it became. */
  publication: undefined as unknown,
  message: undefined as unknown,
};
