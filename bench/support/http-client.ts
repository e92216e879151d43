import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
  /** The head as it was sent: status line and headers. */
  readonly head: string;
}

const HEAD_END = '\r\n\r\n';

/**
 * One keep-alive connection, one request at a time. Much cheaper than `fetch` or `http.request`: the load generator shares
 * the machine with what it measures.
 */
export class Connection {
  private buffered = '';
  private settle: { resolve: (answer: HttpAnswer) => void; reject: (error: Error) => void } | null = null;

  private constructor(
    private readonly socket: Socket,
    private readonly host: string,
  ) {
    // Tokens, JSON and headers are ASCII here, so that characters are bytes.
    socket.setEncoding('latin1').setNoDelay(true);
    socket.on('data', (chunk: string) => this.receive(chunk));
    socket.on('error', (error) => this.fail(error));
    socket.on('close', () => this.fail(new Error('The server closed the connection')));
  }

  static async open(url: string): Promise<Connection> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    return new Connection(socket, `${hostname}:${port}`);
  }

  /** `headers` are whole lines, each with its line break. */
  send(method: string, path: string, headers: string, body = ''): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
      const length = method === 'GET' ? '' : `Content-Length: ${body.length}\r\n`;
      this.socket.write(`${method} ${path} HTTP/1.1\r\nHost: ${this.host}\r\n${headers}${length}\r\n${body}`, 'latin1');
    });
  }

  close(): void {
    this.settle = null;
    this.socket.destroy();
  }

  private receive(chunk: string): void {
    this.buffered += chunk;
    const headEnd = this.buffered.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = this.buffered.slice(0, headEnd);
    const body = bodyOf(head, this.buffered, headEnd + HEAD_END.length);
    if (body === null) return;
    this.buffered = '';
    const settle = this.settle;
    this.settle = null;
    settle?.resolve({ status: Number(head.slice(9, 12)), head, body });
  }

  private fail(error: Error): void {
    this.settle?.reject(error);
    this.settle = null;
  }
}

/** The body behind a head, or null while it is incomplete. */
function bodyOf(head: string, text: string, start: number): string | null {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return text.length >= start + Number(length) ? text.slice(start) : null;
  return /\r\ntransfer-encoding: *chunked/i.test(head) ? dechunked(text, start) : '';
}

function dechunked(text: string, start: number): string | null {
  let body = '';
  let at = start;
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return null;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    const chunkStart = lineEnd + 2;
    if (text.length < chunkStart + size + 2) return null;
    if (size === 0) return body;
    body += text.slice(chunkStart, chunkStart + size);
    at = chunkStart + size + 2;
  }
}
