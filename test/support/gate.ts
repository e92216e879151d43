export { gate } from '../../src/testing/contract/gate';
