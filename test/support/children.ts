import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';

/**
 * Kills the processes whose ids it was told (`+ <pid>`, and `- <pid>` once one has ended) when its input ends. That is
 * when the process that started it is gone, also by SIGKILL, which leaves no process the time to end its children.
 */
const WATCHDOG = `
  pids=' '
  while read -r sign pid; do
    case "$sign$pids" in
      +*) pids="$pids$pid " ;;
      -*" $pid "*) pids="\${pids%% $pid *} \${pids#* $pid }" ;;
    esac
  done
  for pid in $pids; do kill -9 "$pid" 2> /dev/null; done
  true`;

let watchdog: ChildProcess | undefined;

/** Started with the first child, in a process group of its own, so that a kill of ours does not reach it. */
function startWatchdog(): ChildProcess {
  const started = spawn('sh', ['-c', WATCHDOG], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  started.unref();
  // The type does not tell that pipes of children are sockets.
  (started.stdin as unknown as Socket).unref();
  started.stdin?.on('error', () => {});
  return started;
}

function tell(line: string): void {
  watchdog ??= startWatchdog();
  watchdog.stdin?.write(`${line}\n`);
}

/** Sees to it that a child does not outlive this process, however this one ends. Every child of a test goes through it. */
export function endWithParent<Child extends ChildProcess>(child: Child): Child {
  const { pid } = child;
  if (pid === undefined) return child;
  const ended = endPidWithParent(pid);
  child.once('exit', ended);
  return child;
}

/** The same for a process that a child has started. Returns what has to be called once it has ended. */
export function endPidWithParent(pid: number): () => void {
  tell(`+ ${pid}`);
  return () => tell(`- ${pid}`);
}

// A worker of the test runner whose runner was killed would go on with its tests, and start more children.
process.once('disconnect', () => process.exit(1));
