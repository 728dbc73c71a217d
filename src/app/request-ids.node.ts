/** Unique over processes by their random prefix, and cheap: a counter instead of randomness for each request. */
export function createRequestIds(seed: Uint8Array): () => string {
  const prefix = Buffer.from(seed).toString('hex');
  let count = 0;
  return () => {
    count += 1;
    return `${prefix}-${count.toString(36)}`;
  };
}
