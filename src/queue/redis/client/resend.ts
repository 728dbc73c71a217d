import type { Cluster, Redis } from 'ioredis';

type Send = Redis['sendCommand'];

/**
 * Keeps a client from sending commands again that have already been rejected.
 *
 * ioredis sends over a new connection what the lost one left unanswered, commands whose `commandTimeout` has passed
 * included. Nothing waits for those any more, and one that Redis always answers too late would end each connection in turn.
 */
export function dropRejected(client: Redis | Cluster): void {
  if (client.isCluster) (client as Cluster).on('+node', dropRejectedOf);
  else dropRejectedOf(client as Redis);
}

function dropRejectedOf(client: Redis): void {
  const send: Send = client.sendCommand.bind(client);
  /** Pipelines go whole or not at all: ioredis writes one when its last command has been handed over. */
  const dropped = new WeakSet<object>();
  const sendUnlessRejected: Send = (command, pipeline) => {
    if (pipeline === undefined) return command.isSettled ? command.promise : send(command);
    if (command.pipelineIndex === 0 && command.isSettled) dropped.add(pipeline);
    if (!dropped.has(pipeline)) return send(command, pipeline);
    if (!command.isSettled) command.reject(new Error('the pipeline of the command has been rejected'));
    return command.promise;
  };
  Object.assign(client, { sendCommand: sendUnlessRejected });
}
