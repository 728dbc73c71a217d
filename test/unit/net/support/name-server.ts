import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';

/** What a name answers when it is asked for the n-th time (0, 1, …); null: no answer at all. */
export type Zone = (name: string, type: 'A' | 'AAAA', turn: number) => readonly string[] | null;

const TYPES = { 1: 'A', 28: 'AAAA' } as const;

/** A DNS server on UDP that speaks just enough RFC 1035 for A and AAAA, with a TTL of 0. */
export async function startNameServer(zone: Zone): Promise<{ server: string; asked: string[] }> {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  const turns = new Map<string, number>();
  socket.on('message', (query: Buffer, from: RemoteInfo) => {
    const { name, type, end } = question(query);
    const key = `${type} ${name}`;
    const turn = turns.get(key) ?? 0;
    turns.set(key, turn + 1);
    asked.push(key);
    const addresses = zone(name, type, turn);
    if (addresses !== null) socket.send(answer(query.subarray(0, end), type, addresses), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  onTestFinished(() => void socket.close());
  return { server: `127.0.0.1:${socket.address().port}`, asked };
}

function question(query: Buffer): { name: string; type: 'A' | 'AAAA'; end: number } {
  const labels: string[] = [];
  let at = 12;
  while (query[at] !== 0) {
    const length = query[at] ?? 0;
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  const code = query.readUInt16BE(at + 1);
  return { name: labels.join('.').toLowerCase(), type: TYPES[code === 28 ? 28 : 1], end: at + 5 };
}

function answer(query: Buffer, type: 'A' | 'AAAA', addresses: readonly string[]): Buffer {
  const header = Buffer.from(query);
  header.writeUInt16BE(0x8180, 2);
  header.writeUInt16BE(addresses.length, 6);
  header.writeUInt32BE(0, 8);
  const records = addresses.map((address) => {
    const data = type === 'A' ? Buffer.from(address.split('.').map(Number)) : ipv6Bytes(address);
    const head = Buffer.alloc(12);
    head.writeUInt16BE(0xc00c, 0);
    head.writeUInt16BE(type === 'A' ? 1 : 28, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(data.length, 10);
    return Buffer.concat([head, data]);
  });
  return Buffer.concat([header, ...records]);
}

/** Full or `::`-shortened hexadecimal groups. */
function ipv6Bytes(address: string): Buffer {
  const [head = '', tail = ''] = address.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const zeros = Array<string>(8 - groups(head).length - groups(tail).length).fill('0');
  const all = [...groups(head), ...zeros, ...groups(tail)];
  return Buffer.from(all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]));
}
