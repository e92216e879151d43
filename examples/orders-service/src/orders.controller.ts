import { Controller, Get, Param } from '@nestjs/common';
import { CurrentPrincipal, type Principal, Public, Roles } from 'nest-ratchet/resource-server/nest';

const ORDERS = [
  { id: '1', what: 'a bicycle' },
  { id: '2', what: 'a bell' },
];

@Controller('orders')
export class OrdersController {
  /** Guarded, as every route is. */
  @Get()
  list(@CurrentPrincipal() { userId }: Principal) {
    return { of: userId, orders: ORDERS };
  }

  /** The roles are those in the token. */
  @Roles('admin')
  @Get('all/:id')
  any(@Param('id') id: string) {
    return ORDERS.find((order) => order.id === id) ?? {};
  }

  @Public()
  @Get('health')
  health() {
    return { status: 'ok' };
  }
}
