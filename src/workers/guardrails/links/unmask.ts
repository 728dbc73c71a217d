/**
 * Invisible characters (soft hyphen, zero width, bidirectional controls, variation selectors) between visible ASCII. Host
 * parsers drop them (UTS 46), so a client may see a link where this text has none. Elsewhere they have their use, in emoji
 * and in several scripts.
 */
const UNSEEN = /(?<=[!-~])\p{Default_Ignorable_Code_Point}+(?=[!-~])/gu;

/** A Markdown escape of what URLs are made of. */
const ESCAPE = /(?<=[\w:/.@])\\+(?=[:/.@_-])/g;

/**
 * Character references to ASCII that URLs and tags are made of (not `&amp;`, `&lt;`, `&gt;`, `&quot;`), and to white space
 * and invisible characters.
 */
const REFERENCE =
  /&(?=#\d{1,8};|#x[0-9a-f]{1,7};|(?:colon|sol|bsol|period|commat|num|quest|equals|percnt|lowbar|hyphen|dash|tab|newline|lpar|rpar|lsqb|rsqb|lbrack|rbrack|vert|verbar|excl|zerowidthspace|shy|zwj|zwnj|nobreak|lrm|rlm|ic|it);)/gi;

/** Makes what a renderer would make of it visible: links in disguise become links, and are found. */
export const unmask = (text: string): string =>
  text.replace(UNSEEN, '').replace(ESCAPE, '').replace(REFERENCE, '&amp;');
