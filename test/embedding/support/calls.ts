import * as ts from 'typescript';

/**
 * A host that is called in other ways than by HTTP: with GraphQL on both drivers, with messages over TCP, and by sockets. It
 * makes the calls itself, and prints what they were answered as one line of JSON.
 */
const HOST = `
import 'reflect-metadata';
import { once } from 'node:events';
import { Controller, Module, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CommandBus } from '@nestjs/cqrs';
import { ApolloDriver } from '@nestjs/apollo';
import { GraphQLModule, Query, Resolver } from '@nestjs/graphql';
import { MercuriusDriver } from '@nestjs/mercurius';
import { ClientProxyFactory, MessagePattern, Transport } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  AccessTokenAuthenticator,
  AccessTokenGuard,
  authenticateSocket,
  CurrentPrincipal,
  OpenSessionCommand,
  Public,
  RevokeSessionCommand,
  Roles,
} from 'nest-ratchet';
import { AuthTestingModule, issueTestToken } from 'nest-ratchet/testing';
import { firstValueFrom } from 'rxjs';
import { io } from 'socket.io-client';

const auth = () => AuthTestingModule.forRoot({ controllers: false });
const logged = [];
const record = (...words) => logged.push(words.map(String).join(' '));
const logger = { log: () => undefined, warn: record, error: record, fatal: record };

@Resolver()
class Things {
  @Query('whoAmI')
  whoAmI(@CurrentPrincipal() principal) {
    return principal.userId;
  }

  @Roles('auditor')
  @Query('count')
  count() {
    return 3;
  }

  @Public()
  @Query('currency')
  currency() {
    return 'EUR';
  }
}

async function graphql(driver, more) {
  const typeDefs = 'type Query { whoAmI: String count: Int currency: String }';

  @Module({ imports: [auth(), GraphQLModule.forRoot({ driver, typeDefs, ...more })], providers: [Things] })
  class GraphQLHost {}

  const app = await NestFactory.create(GraphQLHost, new FastifyAdapter(), { logger });
  await app.listen(0, '127.0.0.1');
  const url = (await app.getUrl()) + '/graphql';
  const ask = async (field, token) => {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(token && { Authorization: 'Bearer ' + token }) },
      body: JSON.stringify({ query: '{ ' + field + ' }' }),
    });
    const { data, errors } = await answer.json();
    return errors ? { message: errors[0].message, extensions: errors[0].extensions } : data;
  };
  const user = await issueTestToken(app, { userId: 'ann' });
  const auditor = await issueTestToken(app, { roles: ['auditor'] });
  const answers = {
    open: await ask('currency'),
    without: await ask('whoAmI'),
    withJunk: await ask('whoAmI', 'junk'),
    withToken: await ask('whoAmI', user),
    withoutRole: await ask('count', user),
    withRole: await ask('count', auditor),
  };
  await app.close();
  return answers;
}

@Controller()
class Messages {
  @MessagePattern('whoami')
  whoAmI() {
    return 'somebody';
  }

  @Public()
  @MessagePattern('currency')
  currency() {
    return 'EUR';
  }
}

@UseGuards(AccessTokenGuard)
@Controller()
class GuardedMessages {
  @MessagePattern('guarded')
  guarded() {
    return 'somebody';
  }
}

@Module({ imports: [auth()], controllers: [Messages, GuardedMessages] })
class MessagesHost {}

async function rpc(inheritAppConfig) {
  const options = { transport: Transport.TCP, options: { host: '127.0.0.1', port: Number(process.env.RPC_PORT) } };
  const app = await NestFactory.create(MessagesHost, new FastifyAdapter(), { logger });
  app.connectMicroservice(options, { inheritAppConfig });
  await app.startAllMicroservices();
  await app.init();
  const client = ClientProxyFactory.create(options);
  const send = (pattern, data) => firstValueFrom(client.send(pattern, data)).catch((error) => ({ refused: error }));
  const answers = {
    open: await send('currency', {}),
    global: await send('whoami', {}),
    ofNothing: await send('whoami', ''),
    guarded: await send('guarded', { headers: { authorization: 'Bearer junk' } }),
  };
  await client.close();
  await app.close();
  return answers;
}

@WebSocketGateway()
class BareGateway {
  @SubscribeMessage('bare')
  bare() {
    return 'nobody was asked';
  }
}

@UseGuards(AccessTokenGuard)
@WebSocketGateway()
class GuardedGateway {
  @SubscribeMessage('guarded')
  guarded(@CurrentPrincipal() principal) {
    return principal.userId;
  }
}

@WebSocketGateway({ namespace: 'private' })
class PrivateGateway {
  authenticator;

  constructor(authenticator: AccessTokenAuthenticator) {
    this.authenticator = authenticator;
  }

  afterInit(server) {
    server.use(authenticateSocket(this.authenticator));
  }

  handleConnection(socket) {
    socket.emit('welcome', socket.user.userId);
  }
}

@Module({ imports: [auth()], providers: [BareGateway, GuardedGateway, PrivateGateway] })
class SocketsHost {}

async function sockets() {
  const app = await NestFactory.create(SocketsHost, new FastifyAdapter(), { logger });
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  const commands = app.get(CommandBus, { strict: false });
  await issueTestToken(app, { userId: 'ann' }); // adds her
  const { value } = await commands.execute(new OpenSessionCommand('ann', { method: 'test', client: {} }));
  const { accessToken: token, sessionId } = value;
  const other = await issueTestToken(app, { userId: 'ben' });
  const opened = [];
  const open = (path, token) => {
    const socket = io(url + path, { forceNew: true, reconnection: false, auth: token ? { token } : {} });
    opened.push(socket);
    return socket;
  };
  const first = (socket, ...events) =>
    Promise.race(events.map((event) => new Promise((resolve) => socket.once(event, (value) => resolve([event, value])))));
  const call = (socket, message) => {
    const refused = first(socket, 'exception');
    return Promise.race([refused, socket.emitWithAck(message).then((value) => ['answer', value])]);
  };
  const connect = async (token) => {
    const socket = open('/private', token);
    const [event, value] = await first(socket, 'welcome', 'connect_error');
    return { socket, outcome: event === 'welcome' ? value : { message: value.message, data: value.data } };
  };

  const nobody = open('/');
  const ann = open('/', token);
  const privately = await connect(token);
  const bystander = await connect(other);
  const answers = {
    bare: await call(nobody, 'bare'),
    guarded: await call(nobody, 'guarded'),
    withToken: await call(ann, 'guarded'),
    connected: privately.outcome,
    withoutToken: (await connect()).outcome,
  };
  const over = first(privately.socket, 'disconnect');
  await commands.execute(new RevokeSessionCommand(sessionId));
  Object.assign(answers, {
    nextMessage: await call(ann, 'guarded'),
    afterTheEnd: await over,
    again: (await connect(token)).outcome,
    bystander: bystander.socket.connected,
  });
  for (const socket of opened) socket.close();
  await app.close();
  return answers;
}

(async () => {
  const answers = {
    apollo: await graphql(ApolloDriver, {}),
    mercurius: await graphql(MercuriusDriver, { context: (req) => ({ req }) }),
    inherited: await rpc(true),
    ownGuard: await rpc(false),
    sockets: await sockets(),
    logged,
  };
  console.log(JSON.stringify(answers));
})();
`;

/** The host as CommonJS, which runs beside any package. */
export const callsHost = (): string =>
  ts.transpileModule(HOST, {
    compilerOptions: {
      module: ts.ModuleKind.CommonJS,
      target: ts.ScriptTarget.ES2022,
      esModuleInterop: true,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
    },
  }).outputText;
