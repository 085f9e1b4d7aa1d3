/** `weft stat`, `weft edges`, `weft routes` and `weft top`: what the replicas of the control plane know of the traffic. */
export { addTrafficCommands } from './commands.js';
export { askTraffic, edgesQuery, routesQuery, statQuery, topQuery, type TrafficQuery } from './queries.js';
