import { expect, test } from 'vitest';
import { teamsReader } from '../../../src/channels/teams/read/reader.ts';
import { createEventMaker } from '../../support/events.ts';

const make = createEventMaker(Date.now);
const read = (payload: object) => {
  const event = make({ channel: 'teams', payload: JSON.parse(JSON.stringify(payload)) });
  const context = { signal: new AbortController().signal, eligibleAt: 0, accept: async () => {} };
  return teamsReader.read(event, context);
};

test('an activity is read with the name of its author and of the files that came with it', async () => {
  const file = { contentType: 'application/vnd.microsoft.teams.file.download.info', name: 'plan.docx', content: {} };
  const attachments = [{ contentType: 'text/html', content: '<p>hi</p>' }, file];
  const activity = { type: 'message', text: 'hi', from: { id: '29:a', name: 'Ada Lovelace' }, attachments };
  expect(await read(activity)).toEqual({
    kind: 'task',
    content: { authorName: 'Ada Lovelace', attachments: [{ name: 'plan.docx', type: file.contentType }] },
  });
});

test('an activity without either is read as it is', async () => {
  expect(await read({ type: 'message', from: { id: '29:a', name: '' } })).toEqual({ kind: 'task', content: {} });
  expect(await read({ type: 5 })).toEqual({ kind: 'task', content: {} });
});
