// Command gorm uses GORM over mlcache.
package main

import (
	"fmt"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/mlcache/mlcache/examples/internal/example"
)

// Author has many books.
type Author struct {
	ID    int64
	Name  string
	Books []Book
}

// Book belongs to an author.
type Book struct {
	ID       int64
	Title    string
	AuthorID int64
}

// TableName keeps this example's tables apart.
func (Author) TableName() string { return "gorm_authors" }

// TableName keeps this example's tables apart.
func (Book) TableName() string { return "gorm_books" }

func main() {
	db := example.Open()
	defer db.Close()
	g, err := gorm.Open(postgres.New(postgres.Config{Conn: db}))
	example.Must(err)
	example.Must(g.AutoMigrate(&Author{}, &Book{}))
	author := Author{ID: 1, Name: "Le Guin", Books: []Book{{ID: 1, Title: "The Dispossessed"}, {ID: 2, Title: "Lavinia"}}}
	example.Must(g.Clauses(clause.OnConflict{UpdateAll: true}).Create(&author).Error)

	var authors []Author
	example.ReadOften(db, func() error {
		return g.Preload("Books").Order("id").Find(&authors).Error
	})
	fmt.Println(authors[0].Name, "wrote", len(authors[0].Books), "books")

	// A write is seen at once.
	example.Must(g.Model(&Book{}).Where("id = ?", 2).Update("title", "The Lathe of Heaven").Error)
	var book Book
	example.Must(g.First(&book, 2).Error)
	fmt.Println(book.Title)
}
