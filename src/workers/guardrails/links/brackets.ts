import type { IsListed } from './link-hosts.ts';
import { isListedUrl } from './listed-url.ts';

/** Where a Markdown link or image has its target. */
const INLINE = /\]\((?=([^\s()<>]{0,2048}(?:\([^\s()<>]{0,200}\)[^\s()<>]{0,200})?)(?:\s{1,3}"[^"\n\\]{0,200}")?\)|)/g;

/** Where a reference has its target. */
const REFERENCE = /\]:(?=\s{0,20}(\S{0,2048}))/g;
/** Without any of these, what follows leads nowhere: `[key: string]: number`. */
const TARGET = /[:/\\&.@#?%<]/;

/** Links of Markdown with any other target than an allow-listed URL become text: `[label] (target)`. */
export const defuseBrackets = (text: string, isListed: IsListed): string =>
  text
    .replace(INLINE, (whole, target: string | undefined) =>
      target !== undefined && isListedUrl(target, isListed) ? whole : '] (',
    )
    .replace(REFERENCE, (whole, target: string) =>
      isListedUrl(target, isListed) || !TARGET.test(target) ? whole : '] :',
    );
