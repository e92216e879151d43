export { Drain } from './drain';
export { HealthModule } from './health.module';
export { MetricsModule } from './metrics.module';
export { PrometheusAuthMetrics } from './prometheus-auth.metrics';
export { watchRequests } from './requests';
