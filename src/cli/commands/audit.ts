import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { type Checkpoint, checkpointSchema, checkpointText } from '../../core/audit/checkpoint.ts';
import { type ChainCheck, type ChainFault, type ChainVerdict, createChainCheck } from '../../core/audit/verify.ts';
import { verifierOf } from '../../core/crypto/ed25519.node.ts';
import { sha256 } from '../../core/crypto/sha256.node.ts';
import { hasMembersBeside, parseJsonText } from '../../core/json/json-text.ts';
import { trimEndOf } from '../../core/text/cap.ts';
import { callApiForText } from '../access.ts';
import { type GateOptions, withUrl } from '../gate.ts';
import { EXIT, Exit, type Io, inLine, unreadableFile } from '../io.ts';

interface ExportOptions extends GateOptions {
  readonly from: string;
  readonly limit: string;
  readonly all?: boolean;
}
interface VerifyOptions {
  readonly head?: string;
  readonly checkpoints?: string;
  readonly key?: string;
  readonly json?: boolean;
}

/** The most entries the API gives at once. */
const PAGE = 1_000;

export function registerAudit(program: Command, io: Io): void {
  const audit = program.command('audit').description('who did what: the tenant’s chain of entries');
  withUrl(audit.command('export', { isDefault: true }))
    .description('print entries as JSON lines, oldest first (over HTTP)')
    .option('--tenant <tenant>', 'tenant of a minted token', 'default')
    .option('--from <n>', 'number of the first entry', '1')
    .option('--limit <n>', 'entries, 1 to 1000', '200')
    .option('--all', 'every entry from there on')
    .option('--json', 'JSON lines, as always')
    .action((options: ExportOptions) => exportEntries(options, io));
  audit
    .command('verify <file>')
    .description('check an export, or standard input ("-"), without a network; exit 1 names the first bad entry')
    .option('--head <hash>', 'hash of an entry that must be in it: otherwise a missing end cannot be seen')
    .option('--checkpoints <file>', 'signed checkpoints: entries that must be in it')
    .option('--key <public>', 'whose signatures they must bear (default: SALLYPORT_AUDIT_PUBLIC_KEY)')
    .option('--json', 'print the result for programs')
    .action((file: string, options: VerifyOptions) => verify(file, options, io));
}

async function exportEntries({ from, limit, all, ...gate }: ExportOptions, io: Io): Promise<void> {
  const page = async (first: number | string, most: number | string): Promise<string> => {
    const query = new URLSearchParams({ from: String(first), limit: String(most) });
    const text = await callApiForText(io, gate, `/audit?${query}`);
    if (text !== '') io.print(trimEndOf(text, '\n'));
    return text;
  };
  if (all !== true) {
    if ((await page(from, limit)) === '') io.complain('no entries');
    return;
  }
  for (let text = await page(from, PAGE); text !== ''; ) {
    const last = text.trimEnd().split('\n').at(-1) ?? '';
    text = await page(Number((JSON.parse(last) as { seq: number }).seq) + 1, PAGE);
  }
}

async function verify(file: string, options: VerifyOptions, io: Io): Promise<void> {
  const { head, json } = options;
  if (head !== undefined && !/^[0-9a-f]{64}$/.test(head)) {
    throw new Exit(EXIT.usage, '--head: must be 64 hexadecimal digits');
  }
  const checkpoints = await readCheckpoints(options, io);
  let check: ChainCheck | undefined;
  let isHeadSeen = head === undefined;
  for await (const line of linesOf(file, io)) {
    if (line.trim() === '') continue;
    const entry = parse(line);
    // Checkpoints may be of several tenants; those of the first entry's count.
    check ??= createChainCheck(
      sha256,
      checkpoints.filter(({ tenant }) => tenant === tenantOf(entry)),
    );
    isHeadSeen ||= typeof entry === 'object' && entry !== null && Reflect.get(entry, 'hash') === head;
    check.add(entry);
  }
  const verdict = withHead((check ?? createChainCheck(sha256, checkpoints)).verdict(), isHeadSeen);
  if (json) io.print(JSON.stringify(verdict, null, 2));
  else if (verdict.ok && verdict.chain !== undefined) io.print(summary(verdict.entries, verdict.chain));
  if (options.checkpoints !== undefined && verdict.ok && !isAnchored(verdict, checkpoints)) {
    io.complain('no checkpoint is of an entry that is here');
  }
  // An export that failed leaves an empty file.
  if (verdict.ok && check === undefined) {
    throw new Exit(EXIT.failed, json ? '' : inLine(`${file}: has no entries: nothing was verified`));
  }
  if (!verdict.ok) throw new Exit(EXIT.failed, json ? '' : `entry ${verdict.seq}: ${WORDS[verdict.fault]}`);
}

const tenantOf = (entry: unknown): unknown =>
  typeof entry === 'object' && entry !== null ? Reflect.get(entry, 'tenant') : undefined;

/** Whether a checkpoint says anything about this chain: it may be of other tenants, or of entries that were trimmed. */
const isAnchored = ({ chain }: Extract<ChainVerdict, { ok: true }>, checkpoints: readonly Checkpoint[]): boolean =>
  checkpoints.some(({ tenant, seq }) => tenant === chain?.tenant && seq >= chain.first - 1);

/** @throws Exit 2 without a key, Exit 1 for a line that bears no signature of it */
async function readCheckpoints({ checkpoints: file, key: given }: VerifyOptions, io: Io): Promise<Checkpoint[]> {
  if (file === undefined) return [];
  const isGenuine = verifier(given ?? io.environment.SALLYPORT_AUDIT_PUBLIC_KEY);
  const found: Checkpoint[] = [];
  let number = 0;
  for await (const line of linesOf(file, io)) {
    number += 1;
    if (line.trim() === '') continue;
    const { data } = checkpointSchema.safeParse(parse(line));
    if (data === undefined || !isGenuine(checkpointText(data), data.signature)) {
      throw new Exit(EXIT.failed, `checkpoint in line ${number}: its signature is not of this key`);
    }
    found.push(data);
  }
  return found;
}

function verifier(key: string | undefined): (text: string, signature: string) => boolean {
  try {
    return verifierOf(key ?? '');
  } catch {
    throw new Exit(EXIT.usage, '--key: must be an Ed25519 public key, SPKI in base64');
  }
}

/** A chain that is whole and does not hold an entry that is known to exist ends too early. */
function withHead(verdict: ChainVerdict, isHeadSeen: boolean): ChainVerdict {
  if (!verdict.ok || isHeadSeen) return verdict;
  return { ok: false, seq: (verdict.chain?.head.seq ?? 0) + 1, fault: 'cut-off' };
}

const WORDS: Readonly<Record<ChainFault, string>> = {
  malformed: 'is no entry',
  altered: 'was altered: its hash is not that of its content',
  missing: 'is missing',
  misplaced: 'does not belong here: it, or one of its number, came before',
  forked: 'follows another entry than the one before it',
  foreign: 'is of another tenant',
  'not-the-known': 'is not the one that is known',
  'cut-off': 'is missing: a later entry is known',
};

type Chain = NonNullable<Extract<ChainVerdict, { ok: true }>['chain']>;

const summary = (entries: number, { tenant, first, head }: Chain): string =>
  `${entries} entries of ${inLine(tenant)}, ${first} to ${head.seq}, whole; head ${head.hash}`;

async function* linesOf(file: string, io: Io): AsyncGenerator<string> {
  const input = file === '-' ? io.input : createReadStream(resolve(io.folder, file), 'utf8');
  try {
    yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  } catch (error) {
    throw unreadableFile(file, error);
  }
}

/** Undefined for what is no JSON, or may be read as something else than what is hashed. */
function parse(line: string): unknown {
  try {
    const value = parseJsonText(line);
    return hasMembersBeside(value, line) ? undefined : value;
  } catch {
    return undefined;
  }
}
