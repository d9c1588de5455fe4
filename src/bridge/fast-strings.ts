// Gives V8 back its fast methods of strings after a module has extended String. Knows no module.

/**
 * V8 makes a dictionary of an object that becomes a prototype, to set it up, and makes it fast again when a property of something that
 * inherits from it is looked up (objects.cc: OptimizeAsPrototype, MakePrototypesFast). A class that extends String, as ioredis has one
 * for a kind of reply that is never asked for, does that to String.prototype, and primitive strings do not undo it: from then on every
 * method of every string in the process is looked up by its name, in optimized code too, and a frame took twice as long to read. An
 * object of a class that extends String undoes it.
 */
export function makeStringsFast(): void {
  const text = new AnyString("x");
  // The first calls of a function look up without keeping what they find.
  for (let call = 0; call < calls; call++) firstCharacter(text);
}

class AnyString extends String {}

const calls = 16;

function firstCharacter(text: AnyString): number {
  return text.charCodeAt(0);
}
