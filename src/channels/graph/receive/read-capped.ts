/** The body as text. @throws Error when it is longer than `maxBytes`, so that a hostile answer cannot fill the memory */
export async function readCapped(response: Response, maxBytes: number): Promise<string> {
  if (response.body === null) return '';
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  let text = '';
  let size = 0;
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    size += read.value.byteLength;
    if (size > maxBytes) {
      await reader.cancel();
      throw new Error('the answer is too large');
    }
    text += decoder.decode(read.value, { stream: true });
  }
  return text + decoder.decode();
}
