// Express with a handler for each of two paths, and its static files behind them. node express.mjs FOLDER PORT
import express from 'express';
import { relative } from 'node:path';

const [folder, port] = process.argv.slice(2);
const app = express();
app.use((request, response, next) => {
  const read = request.get('x-group');
  if (read !== undefined) response.set('x-read', encodeURIComponent(read));
  next();
});
for (const area of ['admin', 'public'])
  app.use(`/${area}`, (_request, response) => response.set('x-served', area).send(area));
app.use(
  express.static(folder, {
    setHeaders: (response, file) => response.set('x-served', relative(folder, file).split('/')[0]),
  }),
);
app.listen(Number(port), '0.0.0.0');
