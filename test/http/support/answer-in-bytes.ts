import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { TestApplication } from '../../support/app/test-application';

/** Status line, headers as they were spelled and in their order, an empty line, and the body; without the `Date`. */
export async function answerInBytes(app: TestApplication, path: string, body: object): Promise<string> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json', Connection: 'close' };
    request(app.url + path, { method: 'POST', agent: false, headers }, resolve)
      .on('error', reject)
      .end(JSON.stringify(body));
  });
  const { rawHeaders } = response;
  const lines = rawHeaders.flatMap((name, at) =>
    at % 2 === 0 && name.toLowerCase() !== 'date' ? [`${name}: ${rawHeaders[at + 1]}`] : [],
  );
  return [`${response.statusCode} ${response.statusMessage}`, ...lines, '', await text(response)].join('\n');
}
