/**
 * The URL a text holds, or null. Not by `URL.canParse`: on Node 20 it answers false for text in Latin-1 such as
 * `https://größe.example/` once it has been called some thousand times and was compiled.
 */
export function parseUrl(text: string, base?: URL): URL | null {
  try {
    return new URL(text, base);
  } catch {
    return null;
  }
}
