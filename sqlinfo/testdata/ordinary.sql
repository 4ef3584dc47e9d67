SELECT * FROM "users" WHERE "users"."id" = $1 AND "users"."deleted_at" IS NULL ORDER BY "users"."id" LIMIT $2

SELECT count(*) FROM "users" WHERE name LIKE $1

SELECT "u"."id", "u"."name", "u"."email" FROM "users" AS "u" WHERE ("u"."id" IN (1, 2, 3)) ORDER BY "u"."id" ASC

SELECT "posts"."id", "posts"."title" FROM "posts" WHERE "posts"."author_id" IN ($1, $2, $3)

SELECT DISTINCT "users"."id", "users"."age" FROM "users" JOIN "pets" AS "t1" ON "users"."id" = "t1"."owner_id" WHERE "t1"."name" = $1

SELECT id, name, bio FROM authors ORDER BY name

-- name: GetAuthor :one
SELECT id, name, bio FROM authors WHERE id = $1 LIMIT 1

SELECT o.id, c.name FROM orders o INNER JOIN customers c ON c.id = o.customer_id WHERE (o.status = $1 OR o.total > $2) AND o.created_at >= $3 LIMIT 10 OFFSET 20

SELECT EXISTS (SELECT 1 FROM users WHERE email = $1)

SELECT u.* FROM users u WHERE NOT EXISTS (SELECT * FROM bans b WHERE b.user_id = u.id AND b.expires > $1)

SELECT date_trunc('day', created_at) AS day, count(*) AS n, sum(total) FILTER (WHERE status = 'paid') AS paid FROM orders GROUP BY 1 ORDER BY 1

SELECT category_id, avg(price)::numeric(10, 2), percentile_cont(0.5) WITHIN GROUP (ORDER BY price) FROM products GROUP BY ROLLUP (category_id) HAVING count(*) > 5

SELECT id, row_number() OVER (PARTITION BY category_id ORDER BY price DESC NULLS LAST), lag(price, 1) OVER w FROM products WINDOW w AS (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)

SELECT id, data ->> 'name', data #>> '{a,b}', data -> 'tags' ? 'x' FROM events WHERE data @> '{"type": "click"}' AND jsonb_array_length(data -> 'tags') > 0

SELECT id, ts_rank(to_tsvector('english', body), plainto_tsquery('english', $1)) AS rank FROM documents WHERE to_tsvector('english', body) @@ plainto_tsquery('english', $1) ORDER BY rank DESC

SELECT coalesce(nickname, name), CASE WHEN age >= 18 THEN 'adult' ELSE 'minor' END, nullif(a, ''), greatest(x, y) FROM users

SELECT t.id, x.value FROM things t CROSS JOIN LATERAL jsonb_array_elements(t.items) AS x (value) WHERE t.kind = ANY ($1)

SELECT g.day::date, count(o.id) FROM generate_series($1::date, $2::date, interval '1 day') AS g (day) LEFT JOIN orders o ON o.created_at::date = g.day GROUP BY g.day

WITH RECURSIVE tree AS (SELECT id, parent_id, 1 AS depth FROM categories WHERE id = $1 UNION ALL SELECT c.id, c.parent_id, t.depth + 1 FROM categories c JOIN tree t ON c.parent_id = t.id) SELECT * FROM tree ORDER BY depth

WITH ranked AS MATERIALIZED (SELECT *, rank() OVER (ORDER BY score DESC) r FROM players) SELECT * FROM ranked WHERE r <= 10

SELECT a.id FROM a EXCEPT SELECT b.id FROM b UNION ALL (SELECT id FROM c ORDER BY id LIMIT 5)

SELECT extract(year FROM created_at), substring(name FROM 1 FOR 3), trim(both ' ' FROM name), position('x' IN name), name ILIKE '%x%', name SIMILAR TO '(a|b)%', name ~* '^a' FROM users

SELECT array_agg(DISTINCT tag ORDER BY tag), string_agg(name, ', '), bool_or(active), json_build_object('id', id, 'name', name) FROM tags GROUP BY id

SELECT * FROM orders WHERE (customer_id, status) = ($1, $2) AND created_at BETWEEN $3 AND $4 AND note IS DISTINCT FROM 'x' FETCH FIRST 10 ROWS ONLY

SELECT id, balance FROM accounts WHERE owner = $1 AND NOT closed

SELECT id FROM events WHERE starts_at AT TIME ZONE 'Europe/Berlin' > $1 AND to_char(starts_at, 'YYYY-MM') = $2

SELECT DISTINCT ON (customer_id) customer_id, id, total FROM orders ORDER BY customer_id, created_at DESC

SELECT unnest(tags) AS tag, cardinality(tags), tags[1], tags[1:2], 'x' = ANY (tags), ARRAY(SELECT id FROM b), ARRAY[1, 2] || tags FROM posts

SELECT (SELECT max(total) FROM orders o WHERE o.customer_id = c.id) AS best, round(c.balance, 2), abs(c.delta), md5(c.email) FROM customers c

SELECT p.*, ST.name FROM products p NATURAL JOIN stock ST FULL OUTER JOIN suppliers USING (supplier_id)

TABLE settings

VALUES (1, 'a'), (2, 'b')
