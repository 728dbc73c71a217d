import type { AgentTemplate } from '../../channels/onboarding.node.ts';

/** What `init` writes for an agent, and what is said about it. */
export interface Starter {
  /** By name. */
  readonly files: Readonly<Record<string, string>>;
  readonly configuration: { readonly name: string; readonly text: string };
  /** Whether requests to the agent are signed, with a secret of `.env`. */
  readonly isSigned: boolean;
  /** Packages that have to be installed in the folder. */
  readonly packages: readonly string[];
  /** Commands for the agent itself, one a line. */
  readonly next: readonly string[];
}

/** Where a program that `init` wrote listens. */
const AGENT_PORT = 9000;

/**
 * An agent in the folder. `isInstalled`: the package is there, so types can be imported from it; without it the files are
 * plain JavaScript that imports nothing, and start all the same.
 */
export const fileStarter = (isInstalled: boolean): Starter => ({
  files: isInstalled ? { 'agent.ts': TYPED_AGENT } : { 'agent.mjs': PLAIN_AGENT },
  configuration: isInstalled
    ? typedConfiguration(['defineConfig'], "import { agent } from './agent.ts';\n", '  agents: [agent],')
    : {
        name: 'sallyport.config.mjs',
        text: "import { agent } from './agent.mjs';\n\nexport default {\n  agents: [agent],\n};\n",
      },
  isSigned: false,
  packages: [],
  next: [],
});

/** A program in another language. */
export const httpStarter = (isInstalled: boolean): Starter => {
  const settings = `  agent: { kind: 'http', http: { url: 'http://127.0.0.1:${AGENT_PORT}/' } },`;
  return {
    files: { 'agent.py': PYTHON_AGENT },
    configuration: isInstalled
      ? typedConfiguration(['defineConfig'], '', settings)
      : { name: 'sallyport.config.mjs', text: `export default {\n${settings}\n};\n` },
    isSigned: true,
    packages: [],
    next: [`env $(grep ^SALLYPORT_AGENT_SECRET= .env) python3 agent.py`],
  };
};

/** A program that one channel has. */
export const templateStarter = ({ file, entry, imports, packages, next }: AgentTemplate): Starter => ({
  files: { [file.name]: file.text },
  configuration: typedConfiguration([...imports, 'defineConfig'], '', `  agents: [${entry}],`),
  isSigned: false,
  packages: ['sallyport', ...packages],
  next,
});

const typedConfiguration = (imports: readonly string[], others: string, settings: string) => ({
  name: 'sallyport.config.ts',
  text: `import { ${imports.join(', ')} } from 'sallyport';\n${others}\nexport default defineConfig({\n${settings}\n});\n`,
});

const TYPED_AGENT = `import { defineAgent } from 'sallyport';

// Instead of \`run\`, \`instructions\` and \`tools\` have a model answer (LLM_BASE_URL, LLM_API_KEY, LLM_MODEL).
export const agent = defineAgent({
  name: 'first',
  run: async ({ event }) => ({ kind: 'reply', text: \`You said: \${event.text}\` }),
});
`;

const PLAIN_AGENT = `// Instead of \`run\`, \`instructions\` and \`tools\` have a model answer (LLM_BASE_URL, LLM_API_KEY, LLM_MODEL).
export const agent = {
  name: 'first',
  run: async ({ event }) => ({ kind: 'reply', text: \`You said: \${event.text}\` }),
};
`;

const PYTHON_AGENT = `# Answers the gate: it posts each event here, signed, and posts the reply where the event came from.
import base64, hashlib, hmac, json, os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["SALLYPORT_AGENT_SECRET"].removeprefix("whsec_"))

class Agent(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        id, sent_at = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        digest = hmac.new(KEY, f"{id}.{sent_at}.".encode() + body, hashlib.sha256).digest()
        expected = "v1," + base64.b64encode(digest).decode()
        proofs = [hmac.compare_digest(expected, one) for one in self.headers["webhook-signature"].split(" ")]
        if not any(proofs) or abs(time.time() - int(sent_at)) > 300:
            return self.send_error(401)
        event = json.loads(body)["event"]
        answer = json.dumps({"reply": {"text": f"You said: {event['text']}"}, "usage": {"usdMicros": 0}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "${AGENT_PORT}"))), Agent).serve_forever()
`;

/** Redis and the gate in containers, with the same files. \`files\`: what the gate reads. */
export function composeFile({ configuration, files, isSigned }: Starter): string {
  const python = Object.keys(files).find((name) => name.endsWith('.py'));
  const read = [configuration.name, ...Object.keys(files).filter((name) => name !== python)];
  const agent = `
  # Shares the gate's network, so that it is asked at 127.0.0.1 as without containers.
  agent:
    image: python:3.13-slim
    command: [python3, /app/${python}]
    network_mode: service:gate
    env_file: .env
    volumes: ['./${python}:/app/${python}:ro']
`;
  return `# Redis and the gate in containers. Install the package first, which makes package.json: npm install sallyport
# Then fill in .env, because a gate without a channel does not start: docker compose up --build
services:
  redis:
    image: redis:7-alpine
    # What the gate asks of Redis: nothing that it acknowledged may be lost or evicted.
    command: [redis-server, --appendonly, 'yes', --maxmemory-policy, noeviction]
    volumes: ['redis:/data']
    healthcheck:
      test: [CMD, redis-cli, ping]
      interval: 5s

  gate:
    build:
      context: .
      dockerfile_inline: |
        FROM node:24-bookworm-slim
        WORKDIR /app
        COPY package.json package-lock.json ./
        RUN npm ci --omit=dev
        COPY ${read.join(' ')} ./
        USER node
        CMD ["node_modules/.bin/sallyport", "all"]
    env_file: .env
    environment:
      SALLYPORT_REDIS_URL: redis://redis:6379
    ports: ['127.0.0.1:8787:8787']
    depends_on:
      redis: { condition: service_healthy }
    # Longer than SALLYPORT_GRACE.
    stop_grace_period: 35s
${isSigned && python !== undefined ? agent : ''}
volumes:
  redis: {}
`;
}
