// Package schema describes the tables of users, orders and tags to ent's code
// generator.
package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
)

// User is a customer.
type User struct{ ent.Schema }

// Fields are the columns of users.
func (User) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"),
		field.String("email").Unique(),
		field.String("name"),
		field.JSON("settings", map[string]any{}).Default(map[string]any{}),
		field.Time("created_at").Default(time.Now).Immutable(),
		field.Time("deleted_at").Optional().Nillable(),
	}
}

// Edges are the relations of users.
func (User) Edges() []ent.Edge { return []ent.Edge{edge.To("orders", Order.Type)} }

// Annotations name the table.
func (User) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Annotation{Table: "users"}}
}

// Order is what a user bought.
type Order struct{ ent.Schema }

// Fields are the columns of orders.
func (Order) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"),
		field.Int64("user_id"),
		field.Enum("status").Values("open", "paid", "shipped", "cancelled").Default("open").
			SchemaType(map[string]string{dialect.Postgres: "varchar"}),
		field.Float("total").SchemaType(map[string]string{dialect.Postgres: "numeric(12,2)"}),
		field.Time("placed_at").Default(time.Now),
		field.String("note").Optional().Nillable(),
	}
}

// Edges are the relations of orders.
func (Order) Edges() []ent.Edge {
	return []ent.Edge{
		edge.From("user", User.Type).Ref("orders").Field("user_id").Unique().Required(),
		edge.To("tags", Tag.Type).StorageKey(edge.Table("order_tags"), edge.Columns("order_id", "tag_id")),
	}
}

// Annotations name the table.
func (Order) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Annotation{Table: "orders"}}
}

// Tag is a word on orders.
type Tag struct{ ent.Schema }

// Fields are the columns of tags.
func (Tag) Fields() []ent.Field {
	return []ent.Field{field.Int64("id"), field.String("name").Unique()}
}

// Edges are the relations of tags.
func (Tag) Edges() []ent.Edge { return []ent.Edge{edge.From("orders", Order.Type).Ref("tags")} }

// Annotations name the table.
func (Tag) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Annotation{Table: "tags"}}
}
