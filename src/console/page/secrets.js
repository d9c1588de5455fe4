// What lets this tab in: a token for the socket, a key for the state. Both are forgotten with the tab.

const memory = new Map(); // For browsers that keep nothing at all.

export function recall(name) {
  try {
    return sessionStorage.getItem(`fanwire:${name}`) ?? undefined;
  } catch {
    return memory.get(name);
  }
}

export function keep(name, value) {
  try {
    sessionStorage.setItem(`fanwire:${name}`, value);
  } catch {
    memory.set(name, value);
  }
}

export function forget(name) {
  memory.delete(name);
  try {
    sessionStorage.removeItem(`fanwire:${name}`);
  } catch {
    // There was nothing to remove.
  }
}
