import { crc32, deflateSync } from 'node:zlib';

/** The JSON of a Teams app (learn.microsoft.com/microsoft-365/extensibility/schema). */
export interface TeamsManifest {
  readonly [member: string]: unknown;
}

/** The schema's version; a bot needs nothing that came after 1.25. */
export const MANIFEST_VERSION = '1.30';

/** The zip that Teams takes: the manifest and its two icons. The same input makes the same bytes. */
export const appPackage = (manifest: TeamsManifest): Uint8Array =>
  zipOf([
    ['manifest.json', Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)],
    ['color.png', pngOf(COLOR_SIZE, (x, y) => (isGate(x / COLOR_SIZE, y / COLOR_SIZE) ? WHITE : BLUE))],
    ['outline.png', pngOf(OUTLINE_SIZE, (x, y) => (isGate(x / OUTLINE_SIZE, y / OUTLINE_SIZE) ? WHITE : CLEAR))],
  ]);

/** Pixels that Teams asks for: one icon in colour, one in white on transparent. */
const COLOR_SIZE = 192;
const OUTLINE_SIZE = 32;

/** Red, green, blue, opacity. */
type Pixel = readonly [number, number, number, number];
const WHITE: Pixel = [255, 255, 255, 255];
const BLUE: Pixel = [31, 78, 121, 255];
const CLEAR: Pixel = [255, 255, 255, 0];

/** A gate with a doorway; 0 to 1 from the top left corner. */
function isGate(x: number, y: number): boolean {
  const isWall = x >= 0.2 && x < 0.8 && y >= 0.3 && y < 0.82;
  const isMerlon = y >= 0.18 && y < 0.3 && [0.2, 0.42, 0.64].some((left) => x >= left && x < left + 0.16);
  const isDoorway = Math.abs(x - 0.5) < 0.13 && y >= 0.52;
  return (isWall || isMerlon) && !isDoorway;
}

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** A square PNG of 8 bits a channel, with opacity. */
function pngOf(size: number, pixel: (x: number, y: number) => Pixel): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  // Bits a channel; red, green, blue and opacity; the rest is the format's only choice.
  header.set([8, 6, 0, 0, 0], 8);
  const rows = Buffer.alloc(size * (1 + 4 * size));
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) rows.set(pixel(x, y), y * (1 + 4 * size) + 1 + 4 * x);
  }
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  return Buffer.concat([uint32BE(data.length), body, uint32BE(crc32(body))]);
}

function uint32BE(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** 1 January 1980, the first day that the format knows: the time of the call is nobody's business. */
const DATE = 0x0021;
/** Version 2.0 of the format is enough for files that are stored as they are. */
const VERSION = 20;

/** A zip whose files are stored uncompressed (APPNOTE.TXT 4.3.7, 4.3.12, 4.3.16). Names are ASCII. */
function zipOf(files: readonly (readonly [name: string, content: Buffer])[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of files) {
    // Version, flags, method (stored), time, date, checksum, size stored, size, length of the name, of extra fields.
    const about = Buffer.alloc(26);
    about.writeUInt16LE(VERSION, 0);
    about.writeUInt16LE(DATE, 8);
    about.writeUInt32LE(crc32(content), 10);
    about.writeUInt32LE(content.length, 14);
    about.writeUInt32LE(content.length, 18);
    about.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), about, Buffer.from(name, 'latin1'), content]);
    // Length of the comment, disk, attributes, and where the file begins.
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02', 'latin1'), uint16LE(VERSION), about, place, Buffer.from(name, 'latin1'));
    parts.push(local);
    offset += local.length;
  }
  const entries = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(files.length, 4);
  end.writeUInt16LE(files.length, 6);
  end.writeUInt32LE(entries.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, entries, Buffer.from('PK\x05\x06', 'latin1'), end]);
}

function uint16LE(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}
