import { z } from 'zod';
import { WINDOWS_MS, type WindowName } from '../../telemetry/index.js';

/** Fields that several tools take. Every text is bounded and has a form: it becomes part of a path of the API server, and nothing else. */

const LABEL = '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?';
const NAME = '[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?';

export const namespace = z
  .string()
  .regex(new RegExp(`^${LABEL}$`), 'is not the name of a namespace')
  .describe('One namespace only. Without it, all.');

export const name = z.string().regex(new RegExp(`^${NAME}$`), 'is not the name of an object');

/** `<namespace>/<service>`. */
export const service = z
  .string()
  .regex(new RegExp(`^${LABEL}/${LABEL}$`), 'is not namespace/service')
  .describe('The Service, as namespace/name.');

/** `pod/NAME`, `deploy/NAME` and the like. */
export const workload = z
  .string()
  .regex(new RegExp(`^([a-z]{1,20}/)?${NAME}$`), 'is not pod/NAME or deploy/NAME')
  .describe(
    'Who would send it: pod/NAME, or deploy/NAME, sts/NAME, ds/NAME, of which one pod with a proxy is asked.',
  );

const WINDOWS = Object.keys(WINDOWS_MS) as [WindowName, ...WindowName[]];

export const since = z.enum(WINDOWS).describe('How far back to look.');

export const method = z
  .string()
  .regex(/^[A-Za-z]{1,20}$/, 'is not a method of HTTP')
  .describe('Method of HTTP, such as GET. A gRPC method is POST with the path /package.Service/Method.');

export const path = z
  .string()
  .max(2_048)
  .regex(/^\/[^\s\p{Cc}]*$/u, 'is not a path; it begins with /')
  .describe('Path and query, such as /api/reviews.');

export const headers = z
  .array(
    z
      .string()
      .max(4_096)
      .regex(/^[^\s:\p{Cc}]+:[^\p{Cc}]*$/u, "is not a header; write it as 'x-group: staff'"),
  )
  .max(50)
  .default([])
  .describe("Headers of the request, each as 'name: value'. Give no real tokens.");

export const port = z.int().min(1).max(65_535).describe('Port of the Service; needed where it has several.');
