"""Common given names, as a second sign beside what stands around them; never a reason of its own.

Left out are names that are as often a brand, a place, a month, a product or an ordinary word.
"""

from typing import Final

from nlp.redact.words import words

GIVEN_NAMES: Final = words(
    """
    Aaron Abby Abdul Abdullah Abigail Adam Adele Adrian Adriana Agnes Ahmad Ahmed Aidan Aisha Ajay Alan
    Alana Alastair Albert Alberto Alejandra Alejandro Alessandro Alex Alexander Alexandra Alexandre Alexis
    Alfie Alfred Ali Alice Alicia Alison Allan Allison Alma Alvaro Alyssa Amanda Amelia Amina Amir Amit Amy
    Ana Anastasia Anders Andre Andrea Andreas Andrei Andrew Andy Angela Angelica Angelina Angie Angus Anil
    Anita Anja Anjali Ann Anna Annabel Anne Annette Annie Anthony Antoine Anton Antonia Antonio Anya Archie
    Ariana Arjun Arnold Arthur Arun Ashley Ashok Asif Audrey Ava Ayesha Barbara Barry Beatrice Becky Belinda
    Ben Benedict Benjamin Bernadette Bernard Bernie Beth Bethany Betty Beverley Beverly Bianca Bill Billy
    Bob Bobby Boris Brad Bradley Brandon Brenda Brendan Brett Brian Brianna Bridget Bruce Bruno Bryan Bryce
    Caitlin Callum Calvin Cameron Camilla Camille Cara Carina Carl Carla Carlos Carly Carmen Carol Carole
    Carolina Caroline Carolyn Catherine Cathy Cecilia Chantelle Charlene Charles Charlie Charlotte Cheryl
    Chloe Chris Christian Christina Christine Christopher Cindy Claire Clara Claudia Clive Colin Connie
    Connor Conor Corey Cory Courtney Craig Cristina Curtis Cynthia Damian Damien Dan Dana Daniel Daniela
    Danielle Danny Darren Dave David Dawn Dean Deb Debbie Deborah Debra Deepa Deepak Denis Denise Dennis
    Derek Desmond Diana Diane Diego Dimitri Dinesh Dominic Don Donald Donna Doreen Doris Dorothy Doug
    Douglas Duncan Dylan Ed Eddie Edgar Edith Eduardo Edward Edwin Eileen Elaine Eleanor Elena Eli Elias
    Elisa Elise Elizabeth Ella Ellen Ellie Elliot Elsa Emil Emilia Emilio Emily Emma Eric Erica Erik Erika
    Erin Ernest Esther Ethan Eugene Eva Evan Eve Evelyn Farah Fatima Felicia Felicity Felix Fernanda
    Fernando Finn Fiona Frances Francesca Francesco Francis Francisco Frank Franz Fred Freddie Frederick
    Freya Gabriel Gabriela Gabriella Gareth Gary Gavin Gemma Geoff Geoffrey George Georgina Gerald Gerard
    Gerry Gilbert Giles Gill Gillian Gina Giovanni Giulia Glen Glenn Gloria Gordon Graeme Graham Greg
    Gregory Greta Guillermo Gustavo Gwen Hannah Hans Harish Harriet Harry Hassan Hazel Heather Hector Heidi
    Helen Helena Helga Henry Herbert Holly Howard Hugh Hugo Hussain Ian Ibrahim Igor Ines Ingrid Irene Iris
    Isaac Isabel Isabella Isabelle Ivan Jack Jackie Jacob Jacqueline Jade Jaime Jake James Jamie Jan Jane
    Janet Janice Janine Jared Jasmine Jason Javier Jay Jayne Jean Jeanette Jeff Jeffrey Jen Jenna Jennifer
    Jenny Jeremy Jerome Jerry Jesse Jessica Jill Jim Jimmy Jo Joan Joana Joanna Joanne Jodie Joe Joel John
    Johnny Jon Jonas Jonathan Jorge Jose Josef Joseph Josephine Josh Joshua Joyce Juan Juanita Judith Judy
    Julia Julian Juliana Julie Juliet June Justin Justine Karan Karen Karin Karina Karl Kate Katherine
    Kathleen Kathryn Kathy Katie Katrina Katy Kavita Kay Kayla Keith Kelly Ken Kenneth Kerry Kevin Khalid
    Kieran Kim Kimberley Kimberly Kiran Kirsten Kirsty Kristen Kristina Kumar Kurt Kyle Lakshmi Lara Larry
    Lars Laura Lauren Laurence Lawrence Leah Leanne Lee Leila Lena Leo Leon Leona Leonard Leslie Lewis Liam
    Lillian Linda Lindsay Lisa Liz Logan Lorenzo Lorna Lorraine Louis Louisa Louise Luca Lucas Lucia Luciana
    Lucy Luis Luisa Luke Lydia Lynda Lynn Lynne Madeleine Maggie Mahmoud Malcolm Mandy Manish Manoj Manuel
    Marc Marcel Marcia Marco Marcos Marcus Margaret Maria Mariam Marian Marianne Marie Marina Mario Marion
    Marjorie Mark Marlene Marta Martha Martin Martina Mary Maryam Mathew Matilda Matt Matteo Matthew Maureen
    Maurice Max Maya Meera Megan Mehmet Melanie Melinda Melissa Meredith Mia Michael Michaela Michelle
    Miguel Mike Mikhail Milan Miranda Miriam Mitchell Mohamed Mohammad Mohammed Moira Molly Mona Monica
    Monika Morgan Muhammad Mustafa Myra Nadia Nancy Naomi Natalia Natalie Natasha Nathan Nathaniel Navin
    Neha Neil Nicholas Nick Nicola Nicolas Nicole Nigel Nikhil Nikki Nina Noah Noel Nora Norma Norman Olga
    Oliver Olivia Omar Oscar Owen Pablo Paige Pam Pamela Paolo Pat Patricia Patrick Paul Paula Pauline Pavel
    Pedro Peggy Penny Percy Pete Peter Petra Phil Philip Philippa Phillip Phoebe Phyllis Pierre Polly
    Prakash Pranav Preeti Priya Priyanka Rachael Rachel Rafael Rahul Raj Rajesh Ralph Ramesh Ramon Raphael
    Raquel Rashid Ravi Ray Raymond Rebecca Regina Rekha Rhiannon Rhys Ricardo Richard Rick Ricky Rita Rob
    Robert Roberta Roberto Robin Rod Rodney Rodrigo Roger Rohan Rohit Roland Ron Ronald Ronnie Rory Rosa
    Rosalind Rosemary Rosie Ross Roy Ruby Rupert Russell Ruth Ryan Sabrina Sadie Sally Sam Samantha Samir
    Samuel Sandeep Sandra Sandy Sanjay Santiago Sara Sarah Scott Sean Sebastian Serena Sergio Seth Shane
    Shannon Sharon Shaun Shauna Shawn Sheila Shelley Sheryl Shirley Shreya Sian Sibylle Silvia Simon Simone
    Siobhan Sofia Sonia Sonja Sophia Sophie Stacey Stacy Stan Stanley Stefan Stefanie Stella Stephanie
    Stephen Steve Steven Stewart Stuart Sue Suman Sunil Sunita Suresh Susan Susanna Susanne Suzanne Suzie
    Sven Svetlana Sylvia Tamara Tania Tanya Tara Tariq Tatiana Ted Teresa Terence Teri Terri Terry Tess Thea
    Thelma Theo Theodore Theresa Thomas Tiffany Tim Timothy Tina Tobias Toby Todd Tom Tommy Toni Tony Tracey
    Tracy Trevor Tristan Troy Ursula Usha Valerie Vanessa Vera Veronica Vicki Vicky Victor Vijay Vikram
    Vincent Viola Violet Vivian Vivien Vladimir Walter Wanda Warren Wayne Wendy Wesley Wilfred Wilhelm
    William Xavier Yasmin Yolanda Yusuf Yvette Yvonne Zachary Zahra Zoe Aditya Agnieszka Amara Aoife Beatriz
    Benoit Bilal Birgit Chantal Chidi Ciara Divya Dmitri Etienne Ewa Fatou Gurpreet Hamza Harpreet Heinz
    Hiroshi Imran Jacques Jana João Jürgen Katarzyna Kenji Khadija Klaus Kwame Lukas Magda Mandeep Manpreet
    Marek Matthieu Monique Nasir Neelam Ngozi Niamh Nikola Oisin Oksana Olena Piotr Pooja Rui Sabine Sanjeev
    Sergei Siddharth Sinead Sneha Swati Thiago Tiago Tomasz Tunde Uwe Vikas Wei Yuki Yves Zainab
    """
)
