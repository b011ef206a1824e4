SELECT name
FROM users
WHERE (uid = 1