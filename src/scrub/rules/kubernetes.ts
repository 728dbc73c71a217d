import type { ContextRule, Report } from './rule.ts';

/** Longest manifest looked at; a Secret holds at most 1 MiB, those people paste are small. */
const LONGEST_MANIFEST = 64 * 1024;

const KIND = /kind["']?[ \t]{0,8}:[ \t]{0,8}["']?secret["']?[ \t]{0,8}(?:\r?\n|$|[,}])/iy;
const DATA = /^[ \t]{0,64}["']?(?:data|stringData)["']?[ \t]{0,8}:[ \t]{0,8}$/;
const KEY = /^[ \t]{0,64}["']?[\w./-]{1,253}["']?[ \t]{0,8}:/;

/** Kubernetes documentation, "Secret": every value under `data` and `stringData` of a manifest of that kind. */
export const kubernetesSecrets: ContextRule = {
  names: ['kubernetes-secret'],
  anchors: ['kind:', 'kind":', "kind':"],
  open(text, report) {
    let readTo = 0;
    return (anchorStart) => {
      KIND.lastIndex = anchorStart;
      if (anchorStart < readTo || !KIND.test(text)) return;
      const start = documentStart(text, anchorStart, readTo);
      readTo = documentEnd(text, anchorStart);
      hideData(text, start, readTo, report);
    };
  },
};

/** YAML documents are parted by a line of three dashes. */
function documentStart(text: string, at: number, floor: number): number {
  const dashes = text.lastIndexOf('\n---', at);
  return Math.max(dashes === -1 ? 0 : dashes + 4, floor, at - LONGEST_MANIFEST);
}

function documentEnd(text: string, at: number): number {
  const dashes = text.slice(at, at + LONGEST_MANIFEST).indexOf('\n---');
  return Math.min(text.length, dashes === -1 ? at + LONGEST_MANIFEST : at + dashes);
}

function hideData(text: string, start: number, end: number, report: Report): void {
  let dataIndent = -1;
  let block: { indent: number; start: number; end: number } | null = null;
  const closeBlock = (): void => {
    if (block !== null && block.end > block.start) hide(text, block.start, block.end, report);
    block = null;
  };
  for (let at = start; at < end; ) {
    const lineEnd = endOfLine(text, at, end);
    const line = text.slice(at, lineEnd);
    const indent = line.length - line.trimStart().length;
    if (block !== null && (indent > block.indent || line.trim() === '')) {
      if (block.start === 0) block.start = at + indent;
      if (line.trim() !== '') block.end = lineEnd;
    } else {
      closeBlock();
      const data = DATA.exec(line);
      if (data !== null) dataIndent = indent;
      else if (line.trim() !== '' && indent <= dataIndent) dataIndent = -1;
      else if (dataIndent >= 0 && !line.trimStart().startsWith('#')) block = readEntry(text, at, line, indent, report);
    }
    at = lineEnd + 1;
  }
  closeBlock();
}

/** Hides the value of a line; a block scalar's (`|`, `>`) follows on the next lines. */
function readEntry(text: string, at: number, line: string, indent: number, report: Report) {
  const key = KEY.exec(line);
  const value = key === null ? '' : line.slice(key[0].length).trim();
  if (/^[|>][+-]?$/.test(value)) return { indent, start: 0, end: 0 };
  const start = at + line.lastIndexOf(value);
  if (value !== '') hide(text, start, start + value.length, report);
  return null;
}

/** Quotes stay. */
function hide(text: string, from: number, to: number, report: Report): void {
  const quote = /^["']/.test(text[from] as string) && text[to - 1] === text[from] ? 1 : 0;
  const start = from + quote;
  const end = to - quote;
  const value = text.slice(start, end);
  if (isManifestValue(value)) {
    report({ rule: 'kubernetes-secret', start, end, rank: 1 });
  }
}

/** Empty values, templates, what is encrypted already and what is hidden already are no secrets. */
export const isManifestValue = (value: string): boolean =>
  value.length >= 4 && !/^(?:\{\{|\$\{|ENC\[|<|\[secret:)/.test(value);

function endOfLine(text: string, at: number, end: number): number {
  const lineFeed = text.indexOf('\n', at);
  return lineFeed === -1 || lineFeed > end ? end : lineFeed;
}
