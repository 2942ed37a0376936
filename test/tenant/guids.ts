/** Object ids: random in looks, the same in every run of a test. */

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export const isGuid = (text: string) => GUID.test(text);

/** A random number generator (mulberry32) that gives the same numbers every time. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** With a generator of its own, so that a caller's `random` that always gives 0.5 makes no two alike. */
export function guidSource(seed: number): () => string {
  const random = seeded(seed);
  const hex = () => (random() * 4_294_967_296).toString(16).padStart(8, '0');
  return () => {
    const [a, b, c, d] = [hex(), hex(), hex(), hex()];
    return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-a${c.slice(1, 4)}-${c.slice(4)}${d}`;
  };
}
