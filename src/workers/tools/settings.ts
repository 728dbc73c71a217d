import { realpathSync } from 'node:fs';
import { basename } from 'node:path';
import * as z from 'zod';
import { setting } from '../../core/setting.ts';
import { bytes, durationBetween, hostPattern, integer, listOf } from '../../core/setting-values.ts';
import { trimEndOf } from '../../core/text/cap.ts';

/** One line for each kind, because a list of names is read by columns nowhere else. */
const words = (text: string): readonly string[] => text.split(' ');

/**
 * Programs whose arguments or input are code, that start other programs, that open network connections past the outbound
 * guard, or whose files name other files. No choice of options makes them safe for arguments a model wrote: `tar xIf sh a`
 * has no option at all, and `git status` runs what `.git/config` of its folder says.
 */
const REFUSED: ReadonlySet<string> = new Set([
  // Shells, and binaries that hold one.
  ...words('sh bash rbash dash ash zsh ksh mksh csh tcsh fish nu pwsh busybox toybox'),
  // Languages.
  ...words(
    'node nodejs deno bun tsx python pypy perl ruby irb php lua luajit tclsh wish expect Rscript R julia java jshell',
  ),
  ...words(
    'groovy scala kotlin clojure clj guile racket sbcl ghci runghc ocaml erl escript elixir iex octave gnuplot maxima',
  ),
  ...words('awk gawk mawk nawk sed gsed dc m4 sqlite psql mysql mariadb duckdb mongosh gdb lldb'),
  // Editors and pagers, which have commands for shells.
  ...words('ed ex vi vim view rvim nvim emacs nano pico editor less more most pager man info'),
  // Programs that start the program their arguments name.
  ...words(
    'env xargs parallel nohup nice ionice time timeout setsid setarch unshare nsenter chroot flock stdbuf script watch',
  ),
  ...words(
    'sudo su doas runuser pkexec setpriv prlimit taskset chrt numactl strace ltrace perf valgrind entr run-parts',
  ),
  ...words(
    'systemd-run start-stop-daemon dbus-run-session fakeroot bwrap firejail docker podman kubectl at batch crontab',
  ),
  // Programs that run what files of their folder say.
  ...words(
    'make gmake cmake ninja meson bazel scons ant mvn gradle gcc g++ cc c++ clang clang++ tcc rustc cargo go javac',
  ),
  ...words(
    'npm npx pnpm yarn corepack pip pipx uv uvx poetry conda tox pytest gem bundle bundler rake composer git hg svn',
  ),
  // Archivers that start a compressor, a shell or a remote shell by letters without a dash.
  ...words('tar gtar bsdtar cpio pax'),
  // Network.
  ...words(
    'curl wget ssh scp sftp rsync nc ncat netcat socat telnet ftp lftp openssl dig host nslookup redis-cli ping',
  ),
  // Converters whose documents may include other files or name programs.
  ...words(
    'pandoc tex latex pdftex pdflatex xetex xelatex luatex lualatex gs convert magick mogrify identify ffmpeg soffice',
  ),
]);

/** Options that start programs, delete, write where they are told, or read the names of files from a file. */
const REFUSED_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  rg: words('--pre --hostname-bin --search-zip -z'),
  find: words('-exec -execdir -ok -okdir -delete -fprint -fprint0 -fprintf -fls -files0-from'),
  fd: words('--exec --exec-batch -x -X'),
  fdfind: words('--exec --exec-batch -x -X'),
  ag: words('--pager --search-zip -z'),
  sort: words('--compress-program --output -o --temporary-directory -T --files0-from'),
  shuf: words('--output -o'),
  split: words('--filter'),
  install: words('--strip-program --strip -s'),
  zip: words('--test --unzip-command -T -TT'),
  wc: words('--files0-from'),
  du: words('--files0-from'),
  file: words('--files-from -f --compile -C'),
};

/** Binaries that are many programs, chosen by the name they are started under. */
const MANY_IN_ONE: ReadonlySet<string> = new Set(['busybox', 'toybox', 'coreutils']);

/** `python3.11` is python, `node20` is node. */
const withoutVersion = (name: string): string => trimEndOf(name, '0123456789.-');

const isRefused = (name: string): boolean => REFUSED.has(name) || REFUSED.has(withoutVersion(name));

/**
 * Whether a program must not be started with arguments a model wrote.
 * @param name the last part of its path
 * @param target the last part of the path it is a link to; the same name where it is no link
 */
const isUnsafeProgram = (name: string, target: string): boolean =>
  isRefused(name) || (target !== name && !MANY_IN_ONE.has(target) && isRefused(target));

/** Whether listing the option would allow what a program of this name must not do, by an abbreviation or a bundle too. */
function isUnsafeOption(name: string, option: string): boolean {
  const known = Object.hasOwn(REFUSED_OPTIONS, name) ? REFUSED_OPTIONS[name] : undefined;
  return known?.some((unsafe) => covers(option.split('=', 1)[0] ?? '', unsafe)) ?? false;
}

function covers(option: string, unsafe: string): boolean {
  if (option === unsafe) return true;
  if (option.startsWith('--')) return option.length > 2 && unsafe.startsWith(option);
  // A bundle like `-lz`, or a value glued to its letter.
  return unsafe.length === 2 && option.startsWith('-') && option.slice(1).includes(unsafe.slice(1));
}

const programPath = z
  .string({ error: 'must be an absolute path, or { path, options }' })
  .regex(/^\/[\x21-\x7e]{1,500}$/, { message: 'must be an absolute path' });

const programOption = z.string().regex(/^[-+@][\x21-\x7e]{1,100}$/, {
  message: 'must be an option as it is written, like -l or --max-count',
});

const fields = z.strictObject({
  path: programPath,
  /** What a model may give it, as it is written: `-l`, `--max-count`, `--color=never`. */
  options: z.array(programOption).max(100).default([]),
});

const program = fields.superRefine((given, context) => {
  const name = basename(given.path);
  if (isUnsafeProgram(name, basename(targetOf(given.path)))) {
    const message =
      'runs code, other programs or network requests by design; remove it, and offer what you need as a tool of your own (defineTool) or as a program that takes no code';
    context.addIssue({ code: 'custom', path: ['path'], message });
  }
  for (const [i, one] of given.options.entries()) {
    if (!isUnsafeOption(name, one)) continue;
    const message =
      'allows this program to start others, to delete, or to write or read files by other names; remove it';
    context.addIssue({ code: 'custom', path: ['options', i], message });
  }
});

/** A path stands for a program without options. */
const programSchema = z
  .custom<string | z.input<typeof fields>>(() => true)
  .transform((given) => (typeof given === 'object' ? given : { path: given }))
  .pipe(program);

/** What a link leads to. A program that is not on this machine (the worker's image has it) is judged by its own name. */
function targetOf(from: string): string {
  try {
    return realpathSync(from);
  } catch {
    return from;
  }
}

const programName = z.string().regex(/^[a-z][a-z0-9_.+-]{0,30}$/, { message: 'must be a short name like wc or sort' });

/** Of `fetch_url`. */
export const fetchUrlSchema = z.strictObject({
  /** What it may fetch from; absent: every public host. */
  hosts: listOf(hostPattern).optional(),
});

/** Tools whose settings are the same for every agent, unless it has its own. */
export const toolsSchema = z
  .strictObject({
    fetchUrl: setting(fetchUrlSchema.prefault({}), {
      description: '`hosts` limits [`fetch_url`](tools.md#built-in)',
      default: 'every public host',
    }),
    workspace: z
      .strictObject({
        folder: setting(z.string().min(1).optional(), {
          description: 'where the folders of runs are made',
          default: '`workspaces` in the data folder',
        }),
        size: setting(bytes.prefault('10MiB'), { description: 'of all files of a run together' }),
        files: setting(integer(1, 10_000).default(200), { description: 'of a run' }),
        programs: setting(z.record(programName, programSchema).default({}), {
          description:
            'what `workspace_run` may start, by name: a path, or `{ path, options }` with the [options a model may give](tools.md#built-in)',
          default: 'none',
        }),
        timeout: setting(durationBetween('100ms', '10m').prefault('30s'), { description: 'for one program' }),
      })
      .prefault({}),
  })
  .prefault({});
