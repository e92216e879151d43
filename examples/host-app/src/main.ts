import 'reflect-metadata';
import { ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { AppModule } from './app.module.js';

const adapter = process.env.HTTP_ADAPTER === 'express' ? new ExpressAdapter() : new FastifyAdapter();
const app = await NestFactory.create<NestFastifyApplication>(AppModule, adapter as FastifyAdapter);

// The host's own habits. None of them changes what auth's routes answer, only where they are.
app.setGlobalPrefix('api');
app.useGlobalPipes(new ValidationPipe({ whitelist: true }));
app.enableShutdownHooks();

const description = new DocumentBuilder().setTitle('Finance tracker').addBearerAuth().build();
SwaggerModule.setup('docs', app, () => SwaggerModule.createDocument(app, description));

await app.listen(process.env.PORT ?? 3000, '127.0.0.1');
console.log(`Listening at ${await app.getUrl()}`);
