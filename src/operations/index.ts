export { logRequests } from './access-log';
export { OperationsModule } from './operations.module';
export { PrometheusAuthMetrics } from './prometheus-auth.metrics';
