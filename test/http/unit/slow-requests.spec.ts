import type { Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { Controller, Post } from '@nestjs/common';
import { ADAPTERS } from '../../support/adapters';
import { startStub } from './stub-app';

@Controller()
class NotesController {
  @Post('notes')
  write(): string {
    return 'written';
  }
}

const HEAD = 'POST /notes HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n';

// Seen red, each: what never comes was waited for as long as `headersTimeout` says, a minute and more.
it('a request that does not arrive is answered 408 at its limit, and the connection ends', async () => {
  const stubs = await Promise.all(ADAPTERS.map((adapter) => startStub(adapter, { controllers: [NotesController] })));
  const parts = { 'a body that never comes': `${HEAD}Content-Length: 100\r\n\r\n{`, 'headers that never end': HEAD };
  const sent = Promise.all(
    stubs.flatMap(({ app }) => {
      const server = app.getHttpServer() as Server;
      expect([server.requestTimeout, server.headersTimeout]).toEqual([10_000, 10_000]);
      // The same server in a fiftieth of the time.
      server.requestTimeout /= 50;
      server.headersTimeout /= 50;
      const { port } = server.address() as AddressInfo;
      return Object.entries(parts).map(async ([what, part]) => {
        const connection = connect(port, '127.0.0.1');
        connection.setTimeout(10_000, () => connection.destroy(new Error(`${what} is still waited for`)));
        connection.write(part);
        return text(connection);
      });
    }),
  );
  const answers = await sent.finally(() => Promise.all(stubs.map(({ app }) => app.close())));
  for (const answer of answers) {
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer).toMatch(/content-type: application\/problem\+json/i);
  }
});
