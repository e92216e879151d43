export default async function globalTeardown(): Promise<void> {
  await globalThis.stopTestPooler?.();
  await globalThis.stopTestServer?.();
}
