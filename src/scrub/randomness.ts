/** True for what documentation puts where a secret goes: `xxxxxxxx`, `****`, `00000000`, `....`. */
export function isFiller(text: string): boolean {
  const distinct = new Set(text.slice(-32).toLowerCase());
  return distinct.size <= 4 || /([^\d])\1{5}/i.test(text.slice(-64));
}
