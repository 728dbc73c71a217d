/** Which hosts may stay clickable. Takes a host as the URL parser writes it: ASCII, lower case. */
export type IsListed = (host: string) => boolean;

/** Reads `host` and `*.domain` (its subdomains, not itself). */
export function createLinkHosts(entries: readonly string[]): IsListed {
  const hosts = new Set(entries.filter((entry) => !entry.startsWith('*.')));
  const suffixes = entries.filter((entry) => entry.startsWith('*.')).map((entry) => entry.slice(1));
  return (host) => hosts.has(host) || suffixes.some((suffix) => host.endsWith(suffix) && host.length > suffix.length);
}
